"""What Lightning trains a detector on: batches of scenes in an order that is a pure function of (seed, epoch)."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lightning_bam.config import CocoDetection, ConfigError, DigitScenes, Run, Scenes, VOCDetection
from lightning_bam.data.augment import normalise
from lightning_bam.data.run_data import EpochBatches, RunData
from lightning_bam.detection.coco import coco
from lightning_bam.detection.digits import digit_scenes
from lightning_bam.detection.sets import SceneSet, SceneSets, Target
from lightning_bam.detection.voc import voc

DetectionBatch = tuple[list[Tensor], list[dict[str, Tensor]]]

READERS: Final = 4
"""Threads that read images ahead."""
AHEAD: Final = 16
"""Scenes that are read ahead."""


def load_scenes(dataset: Scenes) -> SceneSets:
    """Return the scenes that `dataset` describes; ConfigError in one line where files are missing or do not fit."""
    match dataset:
        case CocoDetection():
            return coco(dataset).some(dataset.train)
        case VOCDetection():
            return voc(dataset).some(dataset.train)
        case DigitScenes():
            return digit_scenes(dataset)
    raise AssertionError(dataset.kind)


def read(scenes: SceneSet, indices: Sequence[int]) -> Iterator[tuple[Tensor, Target]]:
    """Yield the scenes of these indices in their order, images as uint8; the next are read in the meantime."""
    with ThreadPoolExecutor(READERS) as pool:
        images: deque[Future[Tensor]] = deque(pool.submit(scenes.image, index) for index in indices[:AHEAD])
        for position, index in enumerate(indices):
            image = images.popleft().result()
            if position + AHEAD < len(indices):
                images.append(pool.submit(scenes.image, indices[position + AHEAD]))
            yield image, scenes.targets[index]


def mirrored(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Return a scene mirrored left to right."""
    left, top, right, bottom = target.boxes.unbind(1)
    width = image.shape[2]
    return image.flip(2), replace(target, boxes=torch.stack((width - right, top, width - left, bottom), 1))


class TrainScenes(EpochBatches):
    """This rank's batches of whichever epoch the trainer is in, mirrored and normalised on the device.

    Yields a list of images `(3, H, W)` float32 and a list of dicts: `boxes` `(n, 4)`, `labels` `(n,)`, crowds left out.
    """

    def __init__(self, run: Run, sets: SceneSets, trainer: Trainer) -> None:
        super().__init__(run, len(sets.train), trainer)
        self.sets = sets

    def __iter__(self) -> Iterator[DetectionBatch]:
        batches = list(self.rest())
        scenes = read(self.sets.train, [index for batch in batches for index in batch.indices.tolist()])
        device = self.trainer.strategy.root_device
        mean, std = self.sets.mean.to(device), self.sets.std.to(device)
        for batch in batches:
            self.note(batch)
            images, targets = [], []
            for flip in batch.flips.tolist():
                image, target = next(scenes)
                if flip and self.run.recipe.flip:
                    image, target = mirrored(image, target)
                images.append(normalise(image.to(device), mean, std))
                single = ~target.crowd
                targets.append({"boxes": target.boxes[single].to(device), "labels": target.labels[single].to(device)})
            yield images, targets


class ScoredScenes:
    """The scored set in order, one scene at a time, so that no scene's score depends on what stands beside it.

    Yields a list of one image `(3, H, W)` float32, normalised, and a list of its `Target`.
    """

    def __init__(self, sets: SceneSets, device: torch.device) -> None:
        self.sets = sets
        self.device = device

    def __len__(self) -> int:
        return len(self.sets.test)

    def __iter__(self) -> Iterator[tuple[list[Tensor], list[Target]]]:
        mean, std = self.sets.mean.to(self.device), self.sets.std.to(self.device)
        for image, target in read(self.sets.test, range(len(self.sets.test))):
            yield [normalise(image.to(self.device), mean, std)], [target]


class DetectionData(RunData):
    """A run's scenes, in an order that is a pure function of (seed, epoch)."""

    @cached_property
    def sets(self) -> SceneSets:
        """The scenes, found when first asked for; `test` holds those that are scored."""
        assert isinstance(self.run.dataset, Scenes)
        sets = load_scenes(self.run.dataset)
        return sets.held_out() if self.run.score_on == "held_out" else sets

    @property
    def digest(self) -> str:
        """What tells these scenes from others."""
        return self.sets.digest

    def check(self, world_size: int) -> None:
        """Refuse with a ConfigError a run that could not be trained on `world_size` devices."""
        batch, count = self.run.recipe.batch_size, len(self.sets.train)
        if world_size > 1:
            raise ConfigError(
                f"backbone={self.run.backbone.kind} trains on one device, not on {world_size}: its losses are means "
                "over boxes, which ranks do not share equally; use --devices-per-run 1"
            )
        for name in ("mixup", "cutmix"):
            if (alpha := getattr(self.run.recipe, name)) is not None:
                raise ConfigError(f"recipe.{name}={alpha:g}: scenes with boxes are not mixed; set recipe.{name}=none")
        if count < batch:
            raise ConfigError(
                f"recipe.batch_size={batch} is more than the {count} train scenes, and an incomplete batch is dropped; "
                f"set it to {count} or less"
            )
        for name, scenes in (("train", self.sets.train), ("scored", self.sets.test)):
            if not any((~target.crowd).any() for target in scenes.targets):
                raise ConfigError(f"dataset={self.run.dataset.kind}: none of the {len(scenes)} {name} scenes has a box")

    @cached_property
    def batches(self) -> TrainScenes:
        """This rank's training batches."""
        return TrainScenes(self.run, self.sets, self.its_trainer)

    def val_dataloader(self) -> ScoredScenes:
        """Return the whole scored set."""
        return ScoredScenes(self.sets, self.its_trainer.strategy.root_device)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Return the batch as it is: images come on the device, and what is scored stays on the CPU."""
        return batch
