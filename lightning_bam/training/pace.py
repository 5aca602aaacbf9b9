"""How long a run will take: a few steps of it trained, and what they teach thrown away."""

import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pytorch_lightning as pl
import torch

from lightning_bam.config import Run
from lightning_bam.data.run_data import RunData
from lightning_bam.probe import eval_mode
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.base_module import TrainedModule
from lightning_bam.training.tasks import data_of, module_of
from lightning_bam.training.timing import synchronize
from lightning_bam.training.train import be_deterministic
from lightning_bam.training.trainer import quiet, trainer, without_defaults

WARM_UP: Final = 5
"""Steps that are not counted: the first ones choose kernels and allocate memory."""
STEPS: Final = 20
"""Steps that are."""
SCORED: Final = 3
"""Batches of the scored set that are timed, behind one that is not."""


class Pace(NamedTuple):
    """Images/s in training, and the seconds of the whole run, scoring included, start and checkpoints not."""

    images_per_s: float
    seconds: float


class _Enough(Exception):  # noqa: N818 - no error
    """Ends the training that is timed."""


class _Stopwatch(pl.Callback):
    """Times steps after a warm-up, then scored batches, and ends the training."""

    def __init__(self, data: RunData, run: Run) -> None:
        self.data, self.run = data, run
        self.steps, self.start, self.step, self.scored = 0, 0.0, 0.0, 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Count a step; raises _Enough after the last one."""
        device = trainer.strategy.root_device
        if self.steps == WARM_UP:
            synchronize(device)
            self.start = time.perf_counter()
        if self.steps == WARM_UP + STEPS:
            synchronize(device)
            self.step = (time.perf_counter() - self.start) / STEPS
            self.scored = self._scoring(pl_module, device)
            raise _Enough
        self.steps += 1

    def _scoring(self, module: TrainedModule, device: torch.device) -> float:
        """Return the seconds of scoring the whole set, without what counts the scores."""
        batches: Any = self.data.val_dataloader()
        half = torch.autocast(device.type, torch.bfloat16, enabled=self.run.recipe.precision == "bf16")
        seconds = list[float]()
        with eval_mode(module), half:
            start = time.perf_counter()
            for images, _ in islice(batches, 1 + SCORED):
                module(images)
                synchronize(device)
                seconds.append(time.perf_counter() - start)
                start = time.perf_counter()
        counted = seconds[1:] or seconds
        return len(batches) * sum(counted) / len(counted)


def pace(run: Run, device: str, threads: int) -> Pace:
    """Train some steps of a run on one device, `cpu` or `cuda`, in a folder that is then removed, and time them.

    As many epochs as they take, where an epoch has few. Raises what `train` raises for a run that cannot be trained.
    """
    torch.set_num_threads(threads)
    be_deterministic(device)
    data, module = data_of(run), module_of(run)
    data.check(1)
    stopwatch = _Stopwatch(data, run)
    with TemporaryDirectory(prefix="bam-") as temporary, without_defaults():
        quiet()
        timed = trainer(run, RunFolder(Path(temporary)), device, 1, [stopwatch], None)
        timed.fit_loop.max_epochs, timed.limit_val_batches = WARM_UP + STEPS + 1, 0
        with suppress(_Enough):
            timed.fit(module, data)
    epochs, steps = run.recipe.epochs, len(data.batches)
    scorings = epochs if run.actual_task.each_epoch else 1
    images = run.recipe.batch_size / stopwatch.step
    return Pace(images, epochs * steps * stopwatch.step + scorings * stopwatch.scored)
