"""Scenes and what is in them, whatever they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.data.draws import permutation
from lightning_bam.data.images import SHARE


@dataclass(frozen=True)
class Target:
    """What is in a scene: boxes `(n, 4)` float32 as x1, y1, x2, y2 in pixels, labels `(n,)` int64 from 1.

    Pixel i covers i to i + 1. `crowd` `(n,)` bool marks the boxes that stand for many objects.
    """

    boxes: Tensor
    labels: Tensor
    crowd: Tensor


class SceneSet(Protocol):
    """Scenes in a fixed order."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def image(self, index: int) -> Tensor:
        """Return a scene's image `(3, H, W)` uint8; may be called from several threads."""
        ...

    def target(self, index: int) -> Target:
        """Return what is in it."""
        ...


@dataclass(frozen=True)
class Part:
    """Some scenes of another set."""

    whole: SceneSet
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> Tensor:
        """Return a scene's image `(3, H, W)` uint8."""
        return self.whole.image(self.indices[index])

    def target(self, index: int) -> Target:
        """Return what is in it."""
        return self.whole.target(self.indices[index])


@dataclass(frozen=True)
class SceneSets:
    """Scenes to train on and to score; `mean` and `std` `(3,)` of pixels in 0..1 normalise them.

    `digest` tells one set of scenes from another: 16 hex digits of all pixels and boxes, or of what it names.
    """

    train: SceneSet
    test: SceneSet
    mean: Tensor
    std: Tensor
    digest: str

    def held_out(self) -> SceneSets:
        """Return a fixed random fifth of train in the place of test, and the rest to be trained on.

        Raises:
            ConfigError: fewer than five train scenes.

        """
        count = len(self.train)
        if count < SHARE:
            raise ConfigError(f"score_on='held_out' needs {SHARE} train scenes to hold a fifth out, got {count}")
        shuffled = permutation(count, SHARE)
        scored = set(shuffled[: count // SHARE].tolist())
        kept = [index for index in range(count) if index not in scored]
        return replace(self, train=Part(self.train, kept), test=Part(self.train, sorted(scored)))


def no_boxes() -> Target:
    """Return what is in an empty scene."""
    return Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
