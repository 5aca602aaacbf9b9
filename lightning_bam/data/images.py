"""A dataset in memory: train and scored images as bytes, their labels, and what normalises them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.data.draws import permutation

CHUNK: Final = 4096
"""Images whose pixels are counted at a time."""
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


def in_memory(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> Images:
    """Return the tensors as `Images`, with the statistics of train and the digest of everything."""
    mean, std = statistics(train)
    digest = hashlib.sha256()
    for part in (train, train_labels, test, test_labels):
        digest.update(part.contiguous().numpy().data)
    return Images(train, train_labels, test, test_labels, mean, std, digest.hexdigest()[:16])


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and population standard deviation in units of 0..1, float32 `(C,)` each.

    Counted in integers, so that they depend on no order of summation. A constant channel's deviation is given as 1.

    Args:
        images: `(N, C, H, W)` uint8.

    """
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


def held_out(images: Images) -> Images:
    """Return the images with a fixed fifth of train in the place of test, and the rest to be trained on.

    The fifth is the same in every run and takes its share of each class; the test images are not in the result.

    Raises:
        ConfigError: fewer than five train images.

    """
    count, labels = len(images.train), images.train_labels
    if count < SHARE:
        raise ConfigError(f"score_on='held_out' needs {SHARE} train images to hold a fifth out, got {count}")
    shuffled = torch.from_numpy(permutation(count, SHARE))
    by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    scored = torch.zeros(count, dtype=torch.bool)
    scored[by_class[::SHARE]] = True
    return in_memory(images.train[~scored], labels[~scored], images.train[scored], labels[scored])
