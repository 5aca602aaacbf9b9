"""Train the run of one run folder, on this process's device or as one rank of a launched group."""

import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger

from lightning_bam.network import count, count_module
from lightning_bam.run_folder.files import FolderError, put_away
from lightning_bam.run_folder.folder import SCHEMA, RunFolder
from lightning_bam.run_folder.hashes import hashes, same_images
from lightning_bam.run_folder.manifest import MOST, Attempt, earlier, now
from lightning_bam.run_folder.provenance import GPU_SETTINGS, provenance, settings
from lightning_bam.run_folder.result import Result, reports
from lightning_bam.signals import Signals
from lightning_bam.training.averaging import WeightAverage
from lightning_bam.training.base_module import TrainedModule
from lightning_bam.training.checkpoint import CheckpointOnSignal, LastCheckpoint, damage, misfit
from lightning_bam.training.optimizer import make_optimizer
from lightning_bam.training.recorder import Recorder
from lightning_bam.training.tasks import data_of, module_of
from lightning_bam.training.timing import cost
from lightning_bam.training.trainer import quiet, trainer, without_defaults
from lightning_bam.user_code.keep import keep

Studies = Mapping[str, Mapping[str, str]]


def train(
    folder: RunFolder,
    *,
    device: str = "cpu",
    threads: int = 1,
    runs_per_device: int = 1,
    logger: Logger | None = None,
    signals: Signals | None = None,
    studies: Studies | None = None,
) -> Result | None:
    """Train what `folder`'s run.json describes, and resume from its checkpoint if it has one that is whole.

    Under torch's launcher (`RANK`, `WORLD_SIZE` ...) this process is one rank of a DDP group; the global batch does not
    depend on how many there are. Rank 0 writes the folder. `device` is `cpu` or `cuda`. Figures are comparable to the
    last digit at equal `threads` of torch only. For the manifest, `runs_per_device` are those that share its devices,
    and `studies` are study -> its row and how it judges. Returns the reported figures on rank 0; None on any other, and
    for a pruned run.

    Raises: ConfigError: a run that cannot be trained so (one sample per device, missing data, a reduction too high).
    TrainingError: a loss that is no longer a number. FolderError: a folder that cannot be trusted or written, or
    TakenOverError, where another attempt has begun. Interruption: by one of `signals`, between two batches; there is a
    checkpoint of the last one.
    """
    run = folder.run()
    torch.set_num_threads(threads)
    be_deterministic(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    first = int(os.environ.get("RANK", "0")) == 0
    data = data_of(run)
    data.check(world)
    module = module_of(run)
    make_optimizer(module.parameters(), run.recipe)  # what torch refuses is said before anything is written
    damaged = damage(folder.checkpoint) or misfit(folder)
    checkpoint = folder.checkpoint if folder.has_checkpoint and not damaged else None
    if first:
        environment = {
            "started": now(),
            "device": torch.cuda.get_device_name() + settings(GPU_SETTINGS) if device == "cuda" else "cpu",
            "threads": threads,
            "world_size": world,
            "runs_per_device": runs_per_device,
            "data": data.digest,
            **({"code": kept} if (kept := keep(folder.path.parent, run)) else {}),
            **_pretrained(module),
            **provenance(run),
        }
        _begin(folder, environment, studies or {}, resumed=checkpoint is not None, damaged=damaged)
    recorder = Recorder(folder, data, resumed=checkpoint is not None)
    place = torch.device("cuda:0" if device == "cuda" else "cpu")
    started = time.perf_counter()
    with warnings.catch_warnings(), without_defaults():
        quiet()
        callbacks: list[Callback] = [
            recorder,
            *([WeightAverage(run.recipe.ema)] if run.recipe.ema is not None else []),
            CheckpointOnSignal(folder.checkpoint, signals or Signals()),
            LastCheckpoint(folder.checkpoint),
        ]
        trainer(run, folder, device, world, callbacks, logger if first else None).fit(
            module, data, ckpt_path=checkpoint, weights_only=True if checkpoint else None
        )
    if not first:
        return None
    if recorder.stopped:
        folder.end("pruned", ended=now())
        folder.withdraw_stop()
        return None
    seconds = round(time.perf_counter() - started, 3)
    measured = cost(module, place, data.epoch_images, trained=data.batches.first is not None)
    return _end(folder, module, {"fit_seconds": seconds, "cost": measured})


def _pretrained(module: TrainedModule) -> dict[str, str]:
    """Return, for the manifest, which file's weights the network begins with."""
    said = getattr(module.network, "pretrained", None)
    return {"weights": said} if isinstance(said, str) else {}


def be_deterministic(device: str) -> None:
    """Have torch compute the same at each repetition, in 32 bits where it says so."""
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # shows bugs, costs time
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # precision "32" is 32 bits


def _begin(folder: RunFolder, environment: dict[str, Any], studies: Studies, *, resumed: bool, damaged: str) -> None:
    """Note this attempt in the manifest; FolderError where it would resume from a checkpoint that saw other images."""
    if folder.nonce is None:  # no scheduler has begun it
        folder.begin()
    before, digest = folder.manifest(), environment["data"]
    if resumed and before.data is not None and not same_images(before.data, digest):
        raise FolderError(
            f"{folder.path}: its checkpoint was trained on images {before.data}, now they are {digest}; restore the "
            "images, or remove this run folder to train it again"
        )
    folder.withdraw_stop()
    folder.forget_within()
    attempts = earlier(before, resumed=resumed)
    start: dict[str, Any] = {}  # where a checkpoint resumes is noted once it does
    if not resumed:
        start = {"from_epoch": 0} | ({"anew": True} if attempts else {})
        folder.keep_epochs(0)  # before anybody could take them for this attempt's
    if damaged:
        start["damaged"] = damaged
        put_away(folder.checkpoint)  # it must not be found whole later: disks have moods
        print(f"{folder.checkpoint}: damaged ({damaged}); the run begins anew", file=sys.stderr, flush=True)
    number = min(before.attempt + 1, MOST)
    environment = {"nonce": folder.nonce, **environment}
    folder.note(
        schema=SCHEMA,
        key=folder.run().key,
        state="running",
        **dict.fromkeys(("error", "cause", "rank", "traceback", "sha256")),
        attempt=number,
        **({"studies": (before.studies or {}) | {name: dict(one) for name, one in studies.items()}} if studies else {}),
        **environment,
        attempts=[*attempts, {"attempt": number, **start, **environment}],
    )


def _end(folder: RunFolder, module: TrainedModule, measured: dict[str, Any]) -> Result:
    """Report the last epoch's figures, then call the run complete; `measured` are entries of the manifest."""
    run, lines = module.spec, folder.metrics()
    epochs = [line["epoch"] for line in lines]
    if epochs != list(range(run.recipe.epochs)):
        raise FolderError(
            f"{folder.path}/metrics.jsonl: holds epochs {epochs}, not 0 to {run.recipe.epochs - 1}; --retry failed "
            "trains it anew"
        )
    last = lines[-1]
    counted = count_module(module.network, run.dataset.shape) if not run.detects else count(run)
    result = Result.of(
        {
            **{name: last[name] for name in reports(run)},
            "scored": last["scored"],
            "epochs": len(lines),
            "params": counted.params,
            "macs": counted.macs,
            "seconds": round(sum(line["seconds"] for line in lines), 3),
        }
    )
    manifest = folder.manifest()
    resumed = manifest.attempts[-1].from_epoch is not None
    if paces := _paces(lines, manifest.attempts[-1]):
        measured = measured | {"cost": measured["cost"] | {"epoch_seconds": median(paces)}}
    ended = now()
    start = {} if resumed else {"from_epoch": len(lines)}  # nothing was left to train
    folder.note(state="complete", ended=ended, **measured, attempts=manifest.with_last(**start, ended=ended))
    folder.note(sha256=hashes(folder, result))
    folder.finish(result)
    return result


def _paces(lines: Sequence[Mapping[str, Any]], attempt: Attempt) -> list[float]:
    """Return the seconds, without scoring, of the epochs that this attempt has trained from their beginning."""
    begin = len(lines) if attempt.from_epoch is None else attempt.from_epoch + bool(attempt.from_batch)
    return [line["train_seconds"] for line in lines[begin:] if line["train_seconds"] > 0]
