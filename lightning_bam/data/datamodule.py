"""What Lightning trains on: batches augmented and normalised on the device, from memory or from files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from pytorch_lightning import Trainer
from torch import Tensor

from lightning_bam.config import ConfigError, Run
from lightning_bam.data.augment import augment, normalise
from lightning_bam.data.drawn import DrawnBatches, RunData
from lightning_bam.data.feed import Feed, OnDevice
from lightning_bam.data.image_files import ImageFiles
from lightning_bam.data.images import Images
from lightning_bam.data.load import load
from lightning_bam.data.stream import Stream, worker_count


class TrainBatches(DrawnBatches):
    """This rank's batches of whichever epoch the trainer is in, augmented and normalised on the device.

    Yields images `(b, C, H, W)` float32 and labels `(b,)` int64, where `b = batch_size / world_size`.

    Args:
        run: what is trained.
        source: its images.
        feed: brings them to the device.
        trainer: tells the epoch, the rank and the number of ranks.

    """

    def __init__(self, run: Run, source: Images | ImageFiles, feed: Feed, trainer: Trainer) -> None:
        padding = run.recipe.crop_padding if source.padded else 0
        super().__init__(run, source.count, trainer, padding=padding, crops=not source.padded)
        self.feed = feed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        plan, feed = self.left(), self.feed
        for batch, (pixels, labels) in zip(plan, feed.train(plan), strict=True):
            self.note(batch)
            flips = batch.flips.to(pixels.device) if self.run.recipe.flip else None
            images = augment(pixels, batch.offsets.to(pixels.device), flips, plan.padding)
            yield normalise(images, feed.mean, feed.std), labels


class ScoredBatches:
    """What this rank scores, in order, normalised.

    Yields images `(b, C, H, W)` float32 and labels `(b,)` int64.
    """

    def __init__(self, feed: Feed, trainer: Trainer) -> None:
        self.feed = feed
        self.batches = feed.scored(trainer.global_rank, trainer.world_size)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.feed.score(self.batches):
            yield normalise(images, self.feed.mean, self.feed.std), labels


class ImageData(RunData):
    """A run's images, in an order that is a pure function of (seed, epoch).

    Sets that fit are held on the trainer's device, larger ones are decoded from files by worker processes. Of a set in
    memory every rank scores the whole; a streamed one is shared out (`shares_scored`), and the ranks' counts must be
    summed.

    Args:
        run: what to train.

    """

    @cached_property
    def images(self) -> Images | ImageFiles:
        """The images on the CPU or their files, loaded when first asked for; `test` holds those that are scored."""
        images = load(self.run.dataset)
        return images.held_out() if self.run.score_on == "held_out" else images

    @property
    def digest(self) -> str:
        """What tells these images from others."""
        return self.images.digest

    @property
    def shares_scored(self) -> bool:
        """Whether each rank scores only its share of the scored set."""
        return isinstance(self.images, ImageFiles)

    def check(self, world_size: int) -> None:
        """Refuse a run that could not be trained on `world_size` devices.

        Raises:
            ConfigError: one line that carries the values and says what to do.

        """
        recipe = self.run.recipe
        batch, padding = recipe.batch_size, recipe.crop_padding
        count, (_, height, width) = self.images.count, self.images.shape
        if isinstance(self.images, ImageFiles):
            worker_count()
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
        if self.images.padded and padding >= min(height, width):
            raise ConfigError(
                f"recipe.crop_padding={padding} can push a {height}x{width} image out of its crop entirely; "
                f"set it below {min(height, width)}, or to 0 for no crop"
            )

    @cached_property
    def _feed(self) -> Feed:
        images, device = self.images, self.its_trainer.strategy.root_device
        return OnDevice(images, device) if isinstance(images, Images) else Stream(images, device, worker_count())

    @cached_property
    def batches(self) -> TrainBatches:
        """This rank's training batches."""
        return TrainBatches(self.run, self.images, self._feed, self.its_trainer)

    def val_dataloader(self) -> ScoredBatches:
        """Return what this rank scores."""
        return ScoredBatches(self._feed, self.its_trainer)
