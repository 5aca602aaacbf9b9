"""What Lightning trains on: batches augmented and normalised on the device, from memory or from files."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lightning_bam.config import Classification, ConfigError, Run
from lightning_bam.data.augment import augment, augment_labels, normalise
from lightning_bam.data.image_files import ImageFiles
from lightning_bam.data.images import Images
from lightning_bam.data.load import load
from lightning_bam.data.mixing import mixing_of
from lightning_bam.data.order import Batches
from lightning_bam.data.run_data import EpochBatches, RunData
from lightning_bam.data.stream import Stream, worker_count

SCORED_BATCH: Final = 500
"""Images in a batch of the scored set, where they are in memory."""


class OnDevice:
    """`Images` on the device that trains, as `Stream` has them of files; every rank scores all of them."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.labels = images.train.to(device), images.train_labels.to(device)
        self.test, self.test_labels = images.test.to(device), images.test_labels.to(device)
        self.mean, self.std = images.mean.to(device), images.std.to(device)
        self.device = device

    def train(self, plan: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch, gathered on the device, neither padded nor flipped."""
        for batch in plan:
            indices = batch.indices.to(self.device)
            yield self.images[indices], self.labels[indices]

    def scored(self, rank: int, world_size: int) -> list[Tensor]:  # noqa: ARG002
        """Return the indices of batches of 500 and a smaller last one, for every rank the same."""
        return list(torch.split(torch.arange(len(self.test)), SCORED_BATCH))

    def score(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch of the scored set."""
        for indices in batches:
            part = slice(int(indices[0]), int(indices[-1]) + 1)
            yield self.test[part], self.test_labels[part]


class TrainBatches(EpochBatches):
    """This rank's batches: images `(b, C, H, W)` float32, normalised, labels `(b,)`, b = batch_size / world_size.

    Where the recipe mixes, labels are weights of the classes `(b, classes)` float32.
    """

    def __init__(self, run: Run, source: Images | ImageFiles, feed: OnDevice | Stream, trainer: Trainer) -> None:
        padding = run.recipe.crop_padding if source.padded else 0
        self.mixing = mixing_of(run)
        before = self.mixing is not None
        super().__init__(run, source.count, trainer, padding=padding, crops=not source.padded, before=before)
        self.feed = feed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        plan, feed = self.rest(), self.feed
        for batch, (pixels, labels) in zip(plan, feed.train(plan), strict=True):
            self.note(batch)
            flips = batch.flips.to(pixels.device) if self.run.recipe.flip else None
            offsets = batch.offsets.to(pixels.device)
            images = normalise(augment(pixels, offsets, flips, plan.padding), feed.mean, feed.std)
            targets = augment_labels(labels, offsets, flips, plan.padding)
            yield self.mixing(images, targets, plan.epoch, batch.number) if self.mixing else (images, targets)


class ScoredBatches:
    """What this rank scores, in order, normalised: images `(b, C, H, W)` float32 and labels `(b,)` int64."""

    def __init__(self, feed: OnDevice | Stream, trainer: Trainer) -> None:
        self.feed = feed
        self.batches = feed.scored(trainer.global_rank, trainer.world_size)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.feed.score(self.batches):
            yield normalise(images, self.feed.mean, self.feed.std), labels


class ImageData(RunData):
    """A run's images, in an order that is a pure function of (seed, epoch): on the trainer's device, or streamed.

    Of a set in memory every rank scores the whole; a streamed one is shared out, and the ranks' counts must be summed.
    """

    @cached_property
    def images(self) -> Images | ImageFiles:
        """The images on the CPU or their files, loaded once; `test` holds those that are scored."""
        images = load(self.run.dataset)
        return images.held_out() if self.run.score_on == "held_out" else images

    @property
    def digest(self) -> str:
        """The digest of these images."""
        return self.images.digest

    @property
    def shares_scored(self) -> bool:
        """Whether each rank scores only its share of the scored set."""
        return isinstance(self.images, ImageFiles)

    def check(self, world_size: int) -> None:
        """Refuse with a ConfigError a run that could not be trained on `world_size` devices."""
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
        task, labels = self.run.actual_task, self.images.labels
        if labels.dim() > 1 and isinstance(task, Classification):
            raise ConfigError(
                f"dataset={self.run.dataset.kind}: its labels are maps, {tuple(labels.shape)}, and a classifier wants "
                "one label an image; give the run a task of your own"
            )
        for name in ("mixup", "cutmix"):
            if (alpha := getattr(recipe, name)) is not None and not isinstance(task, Classification):
                raise ConfigError(f"recipe.{name}={alpha:g}: only classes are mixed; set recipe.{name}=none")
        if self.images.padded and padding >= min(height, width):
            raise ConfigError(
                f"recipe.crop_padding={padding} can push a {height}x{width} image out of its crop entirely; "
                f"set it below {min(height, width)}, or to 0 for no crop"
            )

    @cached_property
    def _feed(self) -> OnDevice | Stream:
        images, device = self.images, self.its_trainer.strategy.root_device
        return OnDevice(images, device) if isinstance(images, Images) else Stream(images, device, worker_count())

    @cached_property
    def batches(self) -> TrainBatches:
        """This rank's training batches."""
        return TrainBatches(self.run, self.images, self._feed, self.its_trainer)

    def val_dataloader(self) -> ScoredBatches:
        """Return what this rank scores."""
        return ScoredBatches(self._feed, self.its_trainer)
