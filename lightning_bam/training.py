"""Train the run of one run folder, on this process's device or as one rank of a launched group."""

from __future__ import annotations

import logging
import os
import time
import warnings
from datetime import UTC, datetime

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy, Strategy

from lightning_bam.checkpoint import AtomicCheckpointIO
from lightning_bam.config import Run
from lightning_bam.cost import count, count_module
from lightning_bam.data import ImageData
from lightning_bam.detection import DetectionData, DetectionTask
from lightning_bam.digest import hashes
from lightning_bam.files import FolderError
from lightning_bam.folder import SCHEMA, RunFolder
from lightning_bam.leaving import Leaver, Signals
from lightning_bam.module import Classifier
from lightning_bam.provenance import provenance
from lightning_bam.recorder import Recorder
from lightning_bam.result import CLASSIFIED, DETECTED, Result

PRECISION = {"32": "32-true", "bf16": "bf16-mixed"}


def train(
    folder: RunFolder,
    *,
    device: str = "cpu",
    threads: int = 1,
    logger: Logger | None = None,
    signals: Signals | None = None,
) -> Result | None:
    """Train what `folder`'s run.json describes, going on from its checkpoint if it has one.

    Under torch's launcher (`RANK`, `WORLD_SIZE` ... in the environment) this process is one rank of a DDP group; the
    global batch, its contents and its order do not depend on how many there are. Rank 0 writes the folder.

    Args:
        folder: a described run folder.
        device: `cpu` or `cuda`; on cuda a rank takes the visible device of its local rank.
        threads: torch's threads in this process; figures are comparable to the last digit at equal threads only.
        logger: a Lightning logger, on rank 0.
        signals: what this process is told; one that tells it to leave is answered between two batches.

    Returns:
        The reported figures on rank 0; None on every other rank, and where the run folder asked to stop (it is pruned).

    Raises:
        ConfigError: a run that cannot be trained so (one sample per device, missing data, a reduction too high).
        TrainingError: a loss that is no longer a number.
        FolderError: a folder that cannot be trusted or written.
        Leaving: `signals` told so; there is a checkpoint of the last batch.

    """
    run = folder.run()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # shows bugs, costs time
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # precision "32" is 32 bits
    world = int(os.environ.get("WORLD_SIZE", "1"))
    first = int(os.environ.get("RANK", "0")) == 0
    data = DetectionData(run) if run.detects else ImageData(run)
    data.check(world)
    module = DetectionTask(run) if run.detects else Classifier(run)
    checkpoint = folder.checkpoint if folder.checkpoint.exists() else None
    if first:
        _begin(folder, device, threads, world, data.digest, resumed=checkpoint is not None)
    recorder = Recorder(folder, data)
    started = time.perf_counter()
    with warnings.catch_warnings():
        _quiet()
        trainer = _trainer(
            run,
            folder,
            device,
            world,
            [recorder, Leaver(folder.checkpoint, signals or Signals())],
            logger if first else None,
        )
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    if not first:
        return None
    if recorder.asked:
        folder.note(state="pruned", ended=_now())
        folder.forget_stop()
        return None
    return _end(folder, module, round(time.perf_counter() - started, 3))


def _begin(folder: RunFolder, device: str, threads: int, world: int, digest: str, *, resumed: bool) -> None:
    """Write down where and with what this attempt is made; `attempts` keeps what the earlier ones said.

    Raises:
        FolderError: the attempt would go on from a checkpoint that saw other images.

    """
    before = folder.manifest()
    if resumed and before.get("data") not in (None, digest):
        raise FolderError(
            f"{folder.path}: its checkpoint was trained on images {before['data']}, now they are {digest}; restore the "
            "images, or remove this run folder to train it again"
        )
    made = {
        "started": _now(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": threads,
        "world_size": world,
        "data": digest,
        **provenance(),
    }
    folder.forget_stop()
    earlier = before.get("attempts", []) if resumed else []
    if earlier and before.get("cause"):
        earlier[-1] |= {"cause": before["cause"]}
    start = {} if resumed else {"from_epoch": 0}  # where a checkpoint goes on from is noted once it does
    number = int(before.get("attempt", 0)) + 1
    folder.note(
        schema=SCHEMA,
        key=folder.run().key,
        state="running",
        error=None,
        cause=None,
        rank=None,
        traceback=None,
        sha256=None,
        attempt=number,
        **made,
        attempts=[*earlier, {"attempt": number, **start, **made}],
    )


def _end(folder: RunFolder, module: Classifier | DetectionTask, seconds: float) -> Result:
    """Report the last epoch's figures, then call the run complete."""
    run, lines = module.spec, folder.metrics()
    epochs = [line["epoch"] for line in lines]
    if epochs != list(range(run.recipe.epochs)):
        raise FolderError(
            f"{folder.path}/metrics.jsonl: holds epochs {epochs}, not 0 to {run.recipe.epochs - 1}; remove this run "
            "folder to train it again"
        )
    last = lines[-1]
    cost = count_module(module.network, run.dataset.shape) if isinstance(module, Classifier) else count(run)
    result = Result(
        **{name: last[name] for name in (DETECTED if run.detects else CLASSIFIED)},
        scored=last["scored"],
        epochs=len(lines),
        params=cost.params,
        macs=cost.macs,
        seconds=round(sum(line["seconds"] for line in lines), 3),
    )
    *earlier, this = folder.manifest()["attempts"]
    attempts = [*earlier, {"from_epoch": len(lines)} | this]  # where there was nothing left to train
    folder.note(state="complete", ended=_now(), fit_seconds=seconds, attempts=attempts)
    folder.note(sha256=hashes(folder, result))
    folder.finish(result)
    return result


def _trainer(
    run: Run, folder: RunFolder, device: str, world: int, callbacks: list[pl.Callback], logger: Logger | None
) -> pl.Trainer:
    """Make a Trainer that does nothing behind our back: no sampler, bar, summary, sanity check or selection."""
    keep = ModelCheckpoint(
        dirpath=folder.checkpoint.parent,
        filename=folder.checkpoint.stem,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        strategy=_strategy(device, world),
        precision=PRECISION[run.recipe.precision],  # type: ignore[arg-type]
        max_epochs=run.recipe.epochs,
        check_val_every_n_epoch=run.recipe.epochs if run.detects else 1,  # a detector is scored once
        logger=logger if logger is not None else False,
        callbacks=[*callbacks, keep],
        # one rank says where it is, too: else Lightning asks mpi4py, which starts MPI, where that is installed
        plugins=[AtomicCheckpointIO(), *([LightningEnvironment()] if world == 1 else [])],
        sync_batchnorm=run.recipe.sync_batchnorm and device == "cuda" and world > 1,  # torch has none on CPU
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1_000_000,
        default_root_dir=folder.path,
    )


def _strategy(device: str, world: int) -> Strategy:
    """One device in this process, or DDP among the ranks that torch's launcher started."""
    if world == 1:
        return SingleDeviceStrategy(device="cuda:0" if device == "cuda" else "cpu")
    launched = "TORCHELASTIC_RUN_ID" in os.environ
    environment = TorchElasticEnvironment() if launched else LightningEnvironment()
    backend = "nccl" if device == "cuda" else "gloo"
    return DDPStrategy(cluster_environment=environment, process_group_backend=backend)


def _quiet() -> None:
    """Silence the advice that does not apply: there are no worker processes on purpose."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")  # the data module is
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.. is deprecated.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
