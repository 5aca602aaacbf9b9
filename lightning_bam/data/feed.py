"""Where a run's batches come from: images held on the device, or files decoded by worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import torch
from torch import Tensor

from lightning_bam.data.images import Images
from lightning_bam.data.order import Batches

SCORED_BATCH: Final = 500
"""Images in a batch of the scored set, where they are in memory."""


class Feed(Protocol):
    """Images as bytes on the device that trains; `mean` and `std`, float32 `(C,)`, are there too."""

    mean: Tensor
    std: Tensor

    def train(self, plan: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images `(b, C, H, W)` uint8 and labels `(b,)` of each planned batch, neither padded nor flipped."""

    def scored(self, rank: int, world_size: int) -> list[Tensor]:
        """Return which images, `(b,)` int64 each, make the batches that this rank scores."""

    def score(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images `(b, C, H, W)` uint8 and labels `(b,)` of these batches of the scored set."""


class OnDevice:
    """`Images` on the device that trains; every rank scores all of them.

    Args:
        images: what to hold.
        device: where.

    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.labels = images.train.to(device), images.train_labels.to(device)
        self.test, self.test_labels = images.test.to(device), images.test_labels.to(device)
        self.mean, self.std = images.mean.to(device), images.std.to(device)
        self.device = device

    def train(self, plan: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch, gathered on the device."""
        for batch in plan:
            indices = batch.indices.to(self.device)
            yield self.images[indices], self.labels[indices]

    def scored(self, rank: int, world_size: int) -> list[Tensor]:  # noqa: ARG002
        """Return batches of 500 and a smaller last one, for every rank the same."""
        return list(torch.split(torch.arange(len(self.test)), SCORED_BATCH))

    def score(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch, a part of what is held."""
        for indices in batches:
            part = slice(int(indices[0]), int(indices[-1]) + 1)
            yield self.test[part], self.test_labels[part]
