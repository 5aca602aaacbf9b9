"""What Lightning trains on: batches gathered, augmented and normalised on the device, without worker processes."""

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
"""Images in a batch of the scored set; a rank sees all of them."""


class ImageData(LightningDataModule):
    """A run's images on the trainer's device, in an order that is a pure function of (seed, epoch).

    Needs `Trainer(use_distributed_sampler=False)`. Training batches are `(images (b, C, H, W) float32, labels (b,)
    int64)` with `b = batch_size / world_size`; every rank goes through the whole scored set.

    Args:
        run: what to train.

    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self._first: list[Tensor] = []

    def first_batch(self) -> Tensor:
        """Return the sample indices `(b,)` int64 of this rank's very first batch, as they were drawn."""
        return self._first[0]

    @cached_property
    def images(self) -> Images:
        """The images on the CPU; `test` holds the scored ones, a fifth of train where `score_on` is `held_out`."""
        images = load(self.run.dataset)
        return held_out(images) if self.run.score_on == "held_out" else images

    def check(self, world_size: int) -> None:
        """Refuse a run that could not be trained on `world_size` devices.

        Raises:
            ConfigError: one line that carries the values and says what to do.

        """
        recipe = self.run.recipe
        batch, n = recipe.batch_size, len(self.images.train)
        height, width = self.images.train.shape[2:]
        if batch % world_size:
            raise ConfigError(
                f"recipe.batch_size={batch} cannot be shared equally by {world_size} devices; "
                f"set it to a multiple of {world_size}, or use other devices per run"
            )
        if batch // world_size < 2:
            raise ConfigError(
                f"one training sample per device (recipe.batch_size={batch} on {world_size} devices): batch norm "
                f"cannot train on it; raise recipe.batch_size or use fewer devices per run"
            )
        if n < batch:
            raise ConfigError(
                f"recipe.batch_size={batch} is more than the {n} train images, so no batch would be whole; "
                f"set it to {n} or less"
            )
        if recipe.crop_padding >= min(height, width):
            raise ConfigError(
                f"recipe.crop_padding={recipe.crop_padding} could crop a {height}x{width} image away entirely; "
                f"set it below {min(height, width)}, or to 0 for no cropping"
            )

    def train_dataloader(self) -> TrainBatches:
        """Return this rank's training batches; the epoch is the trainer's when iteration begins."""
        return TrainBatches(self.run, self._on_device, self._trainer(), self._first)

    def val_dataloader(self) -> ScoredBatches:
        """Return the whole scored set in order, on every rank."""
        return ScoredBatches(self._on_device)

    @cached_property
    def _on_device(self) -> OnDevice:
        images, device = self.images, self._trainer().strategy.root_device
        return OnDevice(
            train=images.train.to(device),
            train_labels=images.train_labels.to(device),
            test=images.test.to(device),
            test_labels=images.test_labels.to(device),
            mean=images.mean.to(device),
            std=images.std.to(device),
        )

    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("ImageData belongs to no trainer yet: pass it to Trainer.fit as datamodule")
        return self.trainer


@dataclass(frozen=True)
class OnDevice:
    """`Images` on the device that trains."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class TrainBatches:
    """This rank's batches of whichever epoch the trainer is in, augmented and normalised on the device."""

    run: Run
    data: OnDevice
    trainer: Trainer
    first: list[Tensor]

    def _of_epoch(self, epoch: int) -> Batches:
        return Batches(
            n=len(self.data.train),
            batch_size=self.run.recipe.batch_size,
            padding=self.run.recipe.crop_padding,
            seed=self.run.seed,
            epoch=epoch,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )

    def __len__(self) -> int:
        """Return the number of whole batches in an epoch."""
        return len(self._of_epoch(0))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images `(b, C, H, W)` float32 and labels `(b,)`."""
        recipe, data = self.run.recipe, self.data
        device = data.train.device
        for batch in self._of_epoch(self.trainer.current_epoch):
            if not self.first:
                self.first.append(batch.indices)
            indices = batch.indices.to(device, non_blocking=True)
            flips = batch.flips.to(device, non_blocking=True) if recipe.flip else None
            images = augment(
                data.train[indices], batch.offsets.to(device, non_blocking=True), flips, recipe.crop_padding
            )
            yield normalise(images, data.mean, data.std), data.train_labels[indices]


@dataclass(frozen=True)
class ScoredBatches:
    """The scored set in order, in batches of 500 and a smaller last one."""

    data: OnDevice

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.data.test) // SCORED_BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images `(b, C, H, W)` float32 and labels `(b,)`."""
        data = self.data
        for images, labels in zip(data.test.split(SCORED_BATCH), data.test_labels.split(SCORED_BATCH), strict=True):
            yield normalise(images, data.mean, data.std), labels
