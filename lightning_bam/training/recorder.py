"""The callback that keeps a run's folder: rank 0 writes a line an epoch; each rank checks that losses are finite."""

import errno
import math
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import pytorch_lightning as pl

from lightning_bam.config import Run
from lightning_bam.data.run_data import RunData
from lightning_bam.distributed import gather, maximum
from lightning_bam.run_folder.folder import RunFolder, Within
from lightning_bam.run_folder.result import flat, headline, so_far
from lightning_bam.training.base_module import TrainedModule
from lightning_bam.training.gates import GateWatch
from lightning_bam.training.timing import peak_memory, synchronize

TELL: Final = 1.0
"""Seconds between two words on how far an epoch is."""


class TrainingError(RuntimeError):
    """A training that went wrong by itself; the message is one line that says what to try."""


class NotFiniteError(TrainingError):
    """A loss, or a score, that is no longer a number."""


class Recorder(pl.Callback):
    """Write an epoch's figures to the run folder and to the trainer's loggers.

    `resumed` is whether this rank resumes from the folder's checkpoint, `stopped` whether the training has stopped
    because of `RunFolder.request_stop`; `trained` are the epoch's seconds before its scoring, None until then; `whole`
    is whether this process has trained the epoch from its beginning.
    """

    def __init__(self, folder: RunFolder, data: RunData, *, resumed: bool = False) -> None:
        self.folder = folder
        self.data = data
        self.resumed = resumed
        self.clock = time.perf_counter()
        self.trained: float | None = None
        self.whole = False
        self.lr = 0.0
        self.gates = GateWatch()
        self.stopped = False
        self.mark: tuple[float, int] | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Refuse, before ranks wait for each other in vain, a disk that shows a checkpoint to some of them only."""
        resumed, device = int(self.resumed), trainer.strategy.root_device
        if maximum(resumed, device) != -maximum(-resumed, device):
            raise OSError(errno.ESTALE, "not every rank finds it whole", str(self.folder.checkpoint))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Cut the record back to what the checkpoint knows, and go on from there."""
        if trainer.is_global_zero:
            self.folder.keep_epochs(trainer.current_epoch)
            for line in self.folder.metrics():
                self._log(trainer, line)
            manifest = self.folder.manifest()
            if manifest.attempts[-1].from_epoch is None:
                start = {"from_epoch": trainer.current_epoch, "from_batch": self.data.state_dict()["drawn"]}
                self.folder.note(attempts=manifest.with_last(**start))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the epoch under way (its seconds so far, its learning rate), and whose."""
        seconds = {"seconds": time.perf_counter() - self.clock, "train_seconds": self.trained}
        return {**seconds, "lr": self.lr, "nonce": self.folder.nonce}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the epoch; where the checkpoint is one of an epoch's end, the next one begins anew."""
        self.clock = time.perf_counter() - state_dict["seconds"]
        self.trained, self.whole = state_dict.get("train_seconds"), False
        self.lr = state_dict["lr"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start the epoch's clock, and note the learning rate that it begins with."""
        self.clock, self.trained, self.whole = time.perf_counter(), None, True
        self.mark = None
        self.lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Keep which samples the very first global batch holds, in order of rank, and its mean loss, unrounded.

        All variants see the same samples, and what two compute before either has learnt anything tells them apart.
        """
        if trainer.current_epoch == 0 and batch_idx == 0:
            indices = gather(self.data.first_batch().to(pl_module.device))
            loss = pl_module.training_loss()
            if trainer.is_global_zero:
                finite = {"first_loss": loss} if math.isfinite(loss) else {}
                self.folder.note(first_batch=indices.flatten().tolist(), **finite)
        if trainer.is_global_zero:
            self._tell_within(trainer.current_epoch)

    def _tell_within(self, epoch: int) -> None:
        """Say about once a second how far the epoch is, and how fast since it was said last."""
        drawn, clock = self.data.batches.drawn, time.perf_counter()
        if self.mark is None:
            self.mark = clock, drawn
        elif (passed := clock - self.mark[0]) >= TELL:
            pace = (drawn - self.mark[1]) * self.data.run.recipe.batch_size / passed
            self.folder.note_within(Within(epoch, drawn, len(self.data.batches), round(pace, 1)))
            self.mark = clock, drawn

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note how long the epoch has trained, unless its scoring begins anew, and watch the gates."""
        if self.trained is None:
            synchronize(trainer.strategy.root_device)
            self.trained = time.perf_counter() - self.clock
        if trainer.is_global_zero:
            self.gates.begin(cast(TrainedModule, pl_module).network)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append the epoch, and stop after it where the folder asks for that; NotFiniteError for what is no number."""
        module = cast(TrainedModule, pl_module)
        loss = module.training_loss()
        if not math.isfinite(loss):
            raise _not_finite("training loss", loss, trainer.current_epoch, module)
        if trainer.is_global_zero:
            figures = module.score()
            for name, scored in figures.items():
                if not math.isfinite(scored):  # not finite in the last step, which no other follows
                    raise _not_finite(f"scored {name}", scored, trainer.current_epoch, module)
            gates, memory = self.gates.end(), peak_memory(trainer.strategy.root_device)
            seconds = time.perf_counter() - self.clock  # the loss has waited for the GPU
            trained = round(seconds if self.trained is None else self.trained, 3)
            line = {
                "epoch": trainer.current_epoch,
                "train_loss": loss,
                **figures,
                "lr": self.lr,
                "seconds": round(seconds, 3),
                "train_seconds": trained,
                **self._pace(trained),
                **({"memory_gib": round(memory / 2**30, 4)} if memory is not None else {}),
                **({"gates": gates} if gates else {}),
            }
            self.folder.append_epoch(line)
            self._log(trainer, line)
            print(told(module.spec, line), flush=True)
        if trainer.current_epoch + 1 != trainer.max_epochs:
            request = trainer.is_global_zero and self.folder.stop_reason() is not None
            self.stopped = bool(maximum(int(request), trainer.strategy.root_device))
            trainer.should_stop = trainer.should_stop or self.stopped

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Take back how far the epoch is."""
        if trainer.is_global_zero:
            self.folder.forget_within()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Take it back here, too."""
        if trainer.is_global_zero:
            self.folder.forget_within()

    def _pace(self, seconds: float) -> dict[str, float]:
        """Return the images a second that the epoch trained on, as `bam cost` counts them; none of one that resumed."""
        return {"images_per_s": round(self.data.epoch_images / seconds, 3)} if self.whole and seconds else {}

    def _log(self, trainer: pl.Trainer, line: dict[str, Any]) -> None:
        figures = {name: float(value) for name, value in flat(line).items()}
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=int(line["epoch"]))


def told(run: Run, line: Mapping[str, Any]) -> str:
    """Return an epoch in words, for the log: `epoch 3/30: train loss 0.512, error 12.30 %, 4.1 s`."""
    metric, figure = headline(run), so_far(run, line)
    scored = f"{metric.short} {figure:.2f}{metric.sign}, " if figure is not None else ""
    epoch = f"epoch {line['epoch'] + 1}/{run.recipe.epochs}"
    return f"{epoch}: train loss {line['train_loss']:.4g}, {scored}{line['seconds']:.1f} s"


def _not_finite(what: str, value: float, epoch: int, module: TrainedModule) -> NotFiniteError:
    recipe = module.spec.recipe
    warmup = f" or raise recipe.warmup_epochs={recipe.warmup_epochs:g}" if recipe.warmup_epochs < recipe.epochs else ""
    return NotFiniteError(f"{what} is {value} after epoch {epoch}; lower recipe.lr={recipe.lr}{warmup}")
