"""Batches of a run in an order that is a pure function of (seed, epoch), and how many were drawn so far."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from pytorch_lightning import LightningDataModule, Trainer
from torch import Tensor

from lightning_bam.config import Run
from lightning_bam.data.order import Batch, Batches


class EpochBatches(ABC):
    """This rank's batches, of `count` training samples, of whichever epoch the trainer is in; see `Batches`.

    `drawn` counts the epoch's so far, `first` `(b,)` are the samples of the very first one, without the one `before`.
    """

    def __init__(
        self, run: Run, count: int, trainer: Trainer, *, padding: int = 0, crops: bool = False, before: bool = False
    ) -> None:
        self.run, self.count, self.trainer = run, count, trainer
        self.padding, self.crops, self.before = padding, crops, before
        self.first: Tensor | None = None
        self.drawn = 0

    def _epoch(self, start: int = 0) -> Batches:
        return Batches(
            n=self.count,
            batch_size=self.run.recipe.batch_size,
            padding=self.padding,
            seed=self.run.seed,
            epoch=self.trainer.current_epoch,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
            crops=self.crops,
            before=self.before,
            start=start,
        )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._epoch())

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Yield the rest of the epoch, on the device; the whole epoch where all of the last one was drawn."""

    def rest(self) -> Batches:
        """Return the plan of the rest of the epoch."""
        self.drawn %= len(self)
        return self._epoch(start=self.drawn)

    def note(self, batch: Batch) -> None:
        """Note that a batch is drawn."""
        self.drawn += 1
        if self.first is None:
            self.first = batch.indices[int(self.before) :]


class RunData(LightningDataModule, ABC):
    """A run's data, whose ranks share out the global batch by themselves; a checkpoint can go on within an epoch."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest of the data."""

    @property
    @abstractmethod
    def batches(self) -> EpochBatches:
        """This rank's training batches, the same object each time."""

    @property
    def epoch_images(self) -> int:
        """How many images an epoch trains on, all ranks together: an incomplete last batch is dropped."""
        return len(self.batches) * self.run.recipe.batch_size

    @abstractmethod
    def check(self, world_size: int) -> None:
        """Refuse with a ConfigError a run that could not be trained on `world_size` devices."""

    @property
    def its_trainer(self) -> Trainer:
        """The trainer of which this is the data module; RuntimeError before there is one."""
        if self.trainer is None:
            raise RuntimeError(f"{type(self).__name__} has no trainer yet; pass it to Trainer.fit as the datamodule")
        return self.trainer

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch have been drawn, 0 between two epochs."""
        return {"drawn": self.batches.drawn % len(self.batches)}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on behind the batches that the checkpoint has seen."""
        self.batches.drawn = state_dict["drawn"]

    def train_dataloader(self) -> EpochBatches:
        """Return this rank's training batches; the epoch is the trainer's when the first is drawn."""
        return self.batches

    def first_batch(self) -> Tensor:
        """Return the indices `(b,)` of the samples in the first batch that this rank has drawn; RuntimeError before."""
        if self.batches.first is None:
            raise RuntimeError("no batch has been drawn yet")
        return self.batches.first
