"""Scenes of handwritten digits with exact boxes, made from scikit-learn's; nothing is downloaded."""

import hashlib
from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import DigitScenes
from lightning_bam.data.clutter import DIMMEST, Bytes, Sources, paint, sources
from lightning_bam.data.draws import Ints, words
from lightning_bam.data.images import statistics
from lightning_bam.detection.sets import SceneSet, SceneSets, Target

STREAM: Final = 20
"""First word of the keys, so that no other stream is this one."""
HEIGHTS: Final = (12, 24)
"""Least and greatest height of a digit's canvas in pixels; a scene is at least 32 high."""
WIDTHS: Final = (8, 24)
"""Its least and greatest width."""
TRIES: Final = 8
"""How often a free place for a digit is looked for."""


@cache
def weights(size: int) -> Ints:
    """Return `(size, 8)` weights of linear interpolation between pixel centres; each row sums to 2 `size`."""
    table = np.zeros((size, 8), np.int64)
    for row in range(size):
        whole, part = divmod((2 * row + 1) * 8 - size, 2 * size)
        for pixel, weight in ((whole, 2 * size - part), (whole + 1, part)):
            table[row, min(max(pixel, 0), 7)] += weight
    return table


def stretch(digit: Bytes, height: int, width: int) -> Bytes:
    """Return a digit `(8, 8)`, values 0..16, as `(height, width)`, values 0..255; in integers, the same everywhere."""
    scaled = weights(height) @ digit.astype(np.int64) @ weights(width).T
    return (scaled * 255 // (16 * 4 * height * width)).astype(np.uint8)


def extent(patch: Bytes) -> tuple[int, int, int, int]:
    """Return x1, y1, x2, y2 of the pixels of at least half the brightest value; x2 and y2 are one past the last."""
    bright = 2 * patch.astype(np.int64) >= patch.max()
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def scenes(spec: DigitScenes, source: Sources, count: int, part: int) -> tuple[Tensor, list[Target]]:
    """Return `count` scenes `(count, 3, H, W)` uint8 of `source`'s digits; `part` tells train's draws from test's."""
    canvas = np.zeros((count, 3, spec.height, spec.width), np.uint8)
    drawn = words(count * (1 + spec.most * (6 + 2 * TRIES)), STREAM, spec.seed, part).reshape(count, -1)
    targets = []
    for index, line in enumerate(drawn):
        boxes, labels = [], []
        taken: list[tuple[int, int, int, int]] = []
        for draw in line[1:].reshape(spec.most, -1)[: int(line[0] % np.uint64(spec.most + 1))].tolist():
            height = HEIGHTS[0] + draw[1] % (HEIGHTS[1] - HEIGHTS[0] + 1)
            width = WIDTHS[0] + draw[2] % (WIDTHS[1] - WIDTHS[0] + 1)
            for row, column in zip(draw[6::2], draw[7::2], strict=True):
                top, left = row % (spec.height - height + 1), column % (spec.width - width + 1)
                if not any(_overlap((top, left, height, width), other) for other in taken):
                    break
            else:
                continue
            taken.append((top, left, height, width))
            patch = stretch(source.images[draw[0] % len(source.images)], height, width)
            colour = np.array([[DIMMEST + c % (256 - DIMMEST) for c in draw[3:6]]])
            paint(canvas[index : index + 1], patch[None], colour, np.array([top]), np.array([left]))
            x1, y1, x2, y2 = extent(patch)
            boxes.append([left + x1, top + y1, left + x2, top + y2])
            labels.append(1 + int(source.labels[draw[0] % len(source.images)]))
        targets.append(Target.of(boxes, labels, [False] * len(boxes)))
    return torch.from_numpy(canvas), targets


def _overlap(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> bool:
    (top, left, height, width), (t, x, h, w) = one, two
    return t < top + height and top < t + h and x < left + width and left < x + w


def digit_scenes(spec: DigitScenes) -> SceneSets:
    """Return train and test scenes, a pure function of `spec`. Digit d has label d + 1."""
    digest = hashlib.sha256()
    parts = []
    for part, (source, count) in enumerate(zip(sources(), (spec.train, spec.test), strict=True)):
        images, targets = scenes(spec, source, count, part)
        digest.update(images.numpy().data)
        for target in targets:
            digest.update(target.boxes.numpy().tobytes() + target.labels.numpy().tobytes())
        parts.append((images, targets))
    train, test = (SceneSet(images.__getitem__, targets) for images, targets in parts)
    return SceneSets(train, test, *statistics(parts[0][0]), digest.hexdigest()[:16])
