"""What Lightning trains on: batches gathered, augmented and normalised on the device, without workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pytorch_lightning import LightningDataModule, Trainer
from torch import Tensor

from lightning_bam.config import ConfigError, Run
from lightning_bam.data.augment import augment, normalise
from lightning_bam.data.images import Images, held_out
from lightning_bam.data.load import load
from lightning_bam.data.order import Batches

SCORED_BATCH: Final = 500
"""Images in a batch of the scored set."""


@dataclass(frozen=True)
class OnDevice:
    """`Images` on the device that trains."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor


class TrainBatches:
    """This rank's batches of whichever epoch the trainer is in, augmented and normalised on the device.

    Yields images `(b, C, H, W)` float32 and labels `(b,)` int64, where `b = batch_size / world_size`.

    Args:
        run: what is trained.
        data: its images.
        trainer: tells the epoch, the rank and the number of ranks.

    """

    def __init__(self, run: Run, data: OnDevice, trainer: Trainer) -> None:
        self.run = run
        self.data = data
        self.trainer = trainer
        self.first: Tensor | None = None

    def _epoch(self) -> Batches:
        return Batches(
            n=len(self.data.train),
            batch_size=self.run.recipe.batch_size,
            padding=self.run.recipe.crop_padding,
            seed=self.run.seed,
            epoch=self.trainer.current_epoch,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )

    def __len__(self) -> int:
        return len(self._epoch())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        recipe, data = self.run.recipe, self.data
        device = data.train.device
        for batch in self._epoch():
            if self.first is None:
                self.first = batch.indices
            indices = batch.indices.to(device)
            flips = batch.flips.to(device) if recipe.flip else None
            images = augment(data.train[indices], batch.offsets.to(device), flips, recipe.crop_padding)
            yield normalise(images, data.mean, data.std), data.train_labels[indices]


class ScoredBatches:
    """The scored set in order, in batches of 500 and a smaller last one, normalised.

    Yields images `(b, C, H, W)` float32 and labels `(b,)` int64.
    """

    def __init__(self, data: OnDevice) -> None:
        self.data = data
        self.starts = range(0, len(data.test), SCORED_BATCH)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        data = self.data
        for start in self.starts:
            part = slice(start, start + SCORED_BATCH)
            yield normalise(data.test[part], data.mean, data.std), data.test_labels[part]


class ImageData(LightningDataModule):
    """A run's images, held on the trainer's device, in an order that is a pure function of (seed, epoch).

    Made for `Trainer(use_distributed_sampler=False)`: the ranks share out the global batch by themselves, and every
    rank goes through the whole scored set.

    Args:
        run: what to train.

    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    @cached_property
    def images(self) -> Images:
        """The images on the CPU, loaded when first asked for; `test` holds those that are scored."""
        images = load(self.run.dataset)
        return held_out(images) if self.run.score_on == "held_out" else images

    def check(self, world_size: int) -> None:
        """Refuse a run that could not be trained on `world_size` devices.

        Raises:
            ConfigError: one line that carries the values and says what to do.

        """
        recipe = self.run.recipe
        batch, padding = recipe.batch_size, recipe.crop_padding
        count, _, height, width = self.images.train.shape
        if batch % world_size:
            raise ConfigError(
                f"recipe.batch_size={batch} cannot be shared equally by {world_size} devices; set it to a multiple "
                f"of {world_size}, at least {2 * world_size}, or use another number of devices per run"
            )
        if batch < 2 * world_size:
            raise ConfigError(
                f"recipe.batch_size={batch} on {world_size} devices is one training sample per device, of which "
                f"batch norm has no variance; raise recipe.batch_size or use fewer devices per run"
            )
        if count < batch:
            raise ConfigError(
                f"recipe.batch_size={batch} is more than the {count} train images, and an incomplete batch is "
                f"dropped; set it to {count} or less"
            )
        if padding >= min(height, width):
            raise ConfigError(
                f"recipe.crop_padding={padding} can push a {height}x{width} image out of its crop entirely; "
                f"set it below {min(height, width)}, or to 0 for no crop"
            )

    @cached_property
    def _on_device(self) -> OnDevice:
        images, device = self.images, self._trainer.strategy.root_device
        parts = (images.train, images.train_labels, images.test, images.test_labels, images.mean, images.std)
        return OnDevice(*(part.to(device) for part in parts))

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("ImageData has no trainer yet; pass it to Trainer.fit as the datamodule")
        return self.trainer

    @cached_property
    def _batches(self) -> TrainBatches:
        return TrainBatches(self.run, self._on_device, self._trainer)

    def train_dataloader(self) -> TrainBatches:
        """Return this rank's training batches; the epoch is the trainer's when the first is drawn."""
        return self._batches

    def val_dataloader(self) -> ScoredBatches:
        """Return the whole scored set, on every rank."""
        return ScoredBatches(self._on_device)

    def first_batch(self) -> Tensor:
        """Return the indices `(b,)` of the train images in the first batch that this rank has drawn.

        Raises:
            RuntimeError: none has been drawn yet.

        """
        if self._batches.first is None:
            raise RuntimeError("no batch has been drawn yet")
        return self._batches.first
