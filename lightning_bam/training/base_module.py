"""What every trained module shares: the epoch's running loss, kept over a resume, and the recipe's optimizer."""

from abc import ABC, abstractmethod
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_bam.config import Run
from lightning_bam.distributed import gather
from lightning_bam.training.optimizer import configure


class RunningLoss:
    """A sum of losses on the device, and how many; no buffer, which DDP would overwrite with the first rank's."""

    def __init__(self) -> None:
        self.begin(torch.device("cpu"))

    def begin(self, device: torch.device) -> None:
        """Begin an epoch."""
        self.sum = torch.zeros((), dtype=torch.float64, device=device)
        self.steps = 0

    def add(self, loss: Tensor) -> None:
        """Add one step's loss, a scalar."""
        self.sum += loss.detach()
        self.steps += 1

    def mean(self) -> float:
        """Return the mean over the steps and over the ranks (a collective call)."""
        return float(gather(self.sum / self.steps).mean())

    def state(self) -> Tensor:
        """Return every rank's sum and number of steps `(world, 2)` float64 (a collective call)."""
        steps = torch.tensor(self.steps, dtype=torch.float64, device=self.sum.device)
        return gather(torch.stack((self.sum, steps))).cpu()

    def restore(self, state: Tensor, rank: int, world: int, device: torch.device) -> None:
        """Go on from `state`; where there were more or fewer ranks, from the mean of their sums."""
        mine = state[rank] if len(state) == world else state.mean(0)
        self.sum, self.steps = mine[0].clone().to(device), round(float(mine[1]))


class TrainedModule(pl.LightningModule, ABC):
    """A run's `network` in training, all that it has of weights and buffers; `training_step` adds to `running`."""

    network: nn.Module

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
        """Return the recipe's optimizer over every parameter and its schedule, stepped every batch."""
        return configure(self, self.spec.recipe)
