"""A dataset in memory: train and scored images as bytes, their labels, and what normalises them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.data.draws import permutation

CHUNK: Final = 4096
"""Images whose pixels are counted at a time."""
PART: Final = 7
"""Key of the fixed order whose first images are trained on where not all are."""
SHARE: Final = 5
"""One in how many train images is held out."""


@dataclass(frozen=True)
class Images:
    """Images `(N, C, H, W)` uint8 with labels `(N,)` int64, on the CPU.

    `mean` and `std`, float32 `(C,)`, are those of the train pixels in units of 0..1; `digest` is the first 16
    hex digits of the SHA-256 of all four tensors.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor
    digest: str
    padded: ClassVar[bool] = True

    @property
    def count(self) -> int:
        """Number of train images."""
        return len(self.train)

    @property
    def labels(self) -> Tensor:
        """The labels of the train images, `(N,)`, or `(N, H, W)` for maps of labels."""
        return self.train_labels

    @property
    def scored_count(self) -> int:
        """Number of scored images."""
        return len(self.test)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of an image."""
        channels, height, width = self.train.shape[1:]
        return (channels, height, width)

    def scored(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return these images of the scored set, `(n, C, H, W)` uint8, and their labels `(n,)`."""
        return self.test[list(indices)], self.test_labels[list(indices)]

    def held_out(self) -> Images:
        """Return the images with a fixed fifth of train in the place of test; see `held_out_mask`."""
        scored, labels = held_out_mask(self.train_labels), self.train_labels
        return in_memory(self.train[~scored], labels[~scored], self.train[scored], labels[scored])

    def part(self, count: int | None) -> Images:
        """Return the images with so many of train, all for None; see `part_mask`."""
        if count is None:
            return self
        kept = part_mask(self.train_labels, count)
        return in_memory(self.train[kept], self.train_labels[kept], self.test, self.test_labels)


def in_memory(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> Images:
    """Return the tensors as `Images`, with the statistics of train and the digest of everything."""
    mean, std = statistics(train)
    digest = hashlib.sha256()
    for part in (train, train_labels, test, test_labels):
        digest.update(part.contiguous().numpy().data)
    return Images(train, train_labels, test, test_labels, mean, std, digest.hexdigest()[:16])


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and population deviation (1 if constant) in units of 0..1, counted in integers."""
    channels = images.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for start in range(0, len(images), CHUNK):
        for channel in range(channels):
            pixels = images[start : start + CHUNK, channel].flatten()
            counts[channel] += torch.bincount(pixels, minlength=256)
    means, deviations = [], []
    for row in counts.tolist():
        total = sum(row)
        first = sum(value * count for value, count in enumerate(row))
        second = sum(value * value * count for value, count in enumerate(row))
        means.append(first / (255 * total))
        deviations.append(math.sqrt(total * second - first * first) / (255 * total) or 1.0)
    return torch.tensor(means), torch.tensor(deviations)


def fixed_order(labels: Tensor) -> Tensor:
    """Return the order `(N,)` of `config.dataset.Count`, of images with labels `(N,)`.

    One image of every class comes first, then each class as often as in the whole: image k of its n at (k + 1/2) / n.
    """
    shuffled = torch.from_numpy(permutation(len(labels), PART))
    classes = labels[shuffled]
    grouped = torch.argsort(classes, stable=True)
    counts = torch.bincount(classes)
    number = torch.empty(len(labels), dtype=torch.float64)
    number[grouped] = (torch.arange(len(labels)) - (counts.cumsum(0) - counts)[classes[grouped]]).double()
    place = torch.where(number == 0, 0.0, (number + 0.5) / counts[classes])
    return shuffled[torch.argsort(place, stable=True)]


def part_mask(labels: Tensor, count: int) -> Tensor:
    """Return `(N,)` bool: the `count` train images, with labels `(N,)`, that are trained on.

    ConfigError for more than there are, or for fewer than classes.
    """
    classes = len(torch.unique(labels))
    if not classes <= count <= len(labels):
        raise ConfigError(
            f"dataset.train={count}: must be from {classes}, an image of each class, to {len(labels)}, which is all"
        )
    kept = torch.zeros(len(labels), dtype=torch.bool)
    kept[fixed_order(labels)[:count]] = True
    return kept


def held_out_mask(labels: Tensor) -> Tensor:
    """Return `(N,)` bool: the fixed fifth of train images, of each class, that `score_on="held_out"` scores alone."""
    count = len(labels)
    if count < SHARE:
        raise ConfigError(f"score_on='held_out' needs {SHARE} train images to hold a fifth out, got {count}")
    shuffled = torch.from_numpy(permutation(count, SHARE))
    by_class = shuffled
    if labels.dim() == 1:
        by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    scored = torch.zeros(count, dtype=torch.bool)
    scored[by_class[::SHARE]] = True
    return scored
