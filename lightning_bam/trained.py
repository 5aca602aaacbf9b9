"""What every trained module shares: the epoch's running loss, kept over a resume, and the recipe's optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytorch_lightning as pl

from lightning_bam.config import Run
from lightning_bam.optimizer import sgd
from lightning_bam.running import RunningLoss


class TrainedModule(pl.LightningModule, ABC):
    """A run's network in training; `training_step` adds to `running`.

    Args:
        run: what to train; also decides the initial weights.

    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.spec = run
        self.running = RunningLoss()

    @abstractmethod
    def score(self) -> dict[str, float | int]:
        """Return the epoch's figures; empty where it was not scored."""

    def on_train_epoch_start(self) -> None:
        """Begin an epoch's sum."""
        self.running.begin(self.device)

    def training_loss(self) -> float:
        """Return the mean training loss of the epoch so far, over the steps and the ranks (a collective call)."""
        return self.running.mean()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the epoch's running loss (a collective call; Lightning makes it on every rank)."""
        checkpoint["running_loss"] = self.running.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the epoch's running loss."""
        if (state := checkpoint.get("running_loss")) is not None:
            self.running.restore(state, self.global_rank, self.trainer.world_size, self.device)

    def configure_optimizers(self) -> Any:
        """Return SGD over every parameter and the recipe's schedule, stepped every batch."""
        return sgd(self, self.spec.recipe)
