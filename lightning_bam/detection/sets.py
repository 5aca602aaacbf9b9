"""Scenes and what is in them, whatever they are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.data.draws import permutation
from lightning_bam.data.images import PART, SHARE


@dataclass(frozen=True)
class Target:
    """What is in a scene: boxes `(n, 4)` float32 as x1, y1, x2, y2 in pixels, labels `(n,)` int64 from 1.

    Pixel i covers i to i + 1. `crowd` `(n,)` bool marks the boxes that stand for many objects.
    """

    boxes: Tensor
    labels: Tensor
    crowd: Tensor

    @staticmethod
    def of(boxes: Sequence[Sequence[float]], labels: Sequence[int], crowd: Sequence[bool]) -> Target:
        """Make it of lists, which may be empty."""
        corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        return Target(corners, torch.tensor(labels, dtype=torch.int64), torch.tensor(crowd, dtype=torch.bool))


@dataclass(frozen=True)
class SceneSet:
    """Scenes in a fixed order: `image(i)` is the i-th one's `(3, H, W)` uint8, and may be called in several threads."""

    image: Callable[[int], Tensor]
    targets: Sequence[Target]

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, indices: Sequence[int]) -> SceneSet:
        """Return the scenes of these indices."""
        return SceneSet(lambda index: self.image(indices[index]), [self.targets[index] for index in indices])


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

    def some(self, count: int | None) -> SceneSets:
        """Return the scenes with so many of train, the first of one fixed order; all for None.

        ConfigError for more than there are.
        """
        if count is None:
            return self
        if count > len(self.train):
            raise ConfigError(f"dataset.train={count}: must be at most the {len(self.train)} scenes that there are")
        return replace(self, train=self.train.part(sorted(permutation(len(self.train), PART)[:count].tolist())))

    def held_out(self) -> SceneSets:
        """Return a fixed random fifth of train in the place of test, and the rest to be trained on.

        ConfigError for fewer than five train scenes.
        """
        count = len(self.train)
        if count < SHARE:
            raise ConfigError(f"score_on='held_out' needs {SHARE} train scenes to hold a fifth out, got {count}")
        scored = set(permutation(count, SHARE)[: count // SHARE].tolist())
        rest = [index for index in range(count) if index not in scored]
        return replace(self, train=self.train.part(rest), test=self.train.part(sorted(scored)))
