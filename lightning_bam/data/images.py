"""A dataset in memory: train and scored images as bytes, their labels, and what normalises them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.data.draws import permutation

CHUNK = 4096


@dataclass(frozen=True)
class Images:
    """Images `(N, C, H, W)` uint8 with labels `(N,)` int64, on the CPU.

    `mean` and `std`, float32 `(C,)`, are those of the train pixels in units of 0..1; `digest` is the first 16 hex
    digits of the SHA-256 of all four tensors.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor
    digest: str


def gather(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> Images:
    """Return the tensors as `Images`, with the statistics of train and the digest of everything."""
    mean, std = statistics(train)
    digest = hashlib.sha256()
    for part in (train, train_labels, test, test_labels):
        digest.update(part.contiguous().numpy())
    return Images(train, train_labels, test, test_labels, mean, std, digest.hexdigest()[:16])


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and (population) standard deviation in units of 0..1, two float32 tensors `(C,)`.

    Counted exactly from histograms, so that the result depends on no order of summation. A constant channel's
    deviation is given as 1.

    Args:
        images: `(N, C, H, W)` uint8.

    """
    channels = images.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for chunk in images.split(CHUNK):
        for channel in range(channels):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    values = torch.arange(256)
    total = counts.sum(1).double()
    mean = (counts * values).sum(1).double() / total
    variance = (counts * values**2).sum(1).double() / total - mean**2
    std = torch.where(variance > 0, variance, 255.0**2).sqrt()
    return (mean / 255).float(), (std / 255).float()


def held_out(images: Images) -> Images:
    """Return the images with a fixed fifth of train to be scored, and the rest to be trained on; test is not in it.

    The fifth is the same in every run and takes its share of each class.

    Raises:
        ConfigError: fewer than five train images.

    """
    count = len(images.train)
    if count < 5:
        raise ConfigError(f"score_on='held_out' needs 5 train images or more to hold out a fifth, got {count}")
    shuffled = torch.from_numpy(permutation(count, 5))
    by_class = shuffled[torch.argsort(images.train_labels[shuffled], stable=True)]
    scored = torch.zeros(count, dtype=torch.bool)
    scored[by_class[::5]] = True
    kept = ~scored
    return gather(images.train[kept], images.train_labels[kept], images.train[scored], images.train_labels[scored])
