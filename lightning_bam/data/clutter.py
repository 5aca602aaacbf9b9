"""Handwritten digits, plain and in clutter: real images that come with scikit-learn; nothing is downloaded."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lightning_bam.config import ClutteredDigits
from lightning_bam.data.draws import Ints, integers, permutation

Bytes = npt.NDArray[np.uint8]

DIGITS: Final = "sklearn/datasets/data/digits.csv.gz"
"""What `sklearn.datasets.load_digits` reads; read here without importing scikit-learn, which takes half a second."""
SIDE: Final = 16
"""Side of an upscaled digit, in pixels."""
CROP: Final = 8
"""Side of a fragment, in pixels (Mnih et al. cut 8x8 pieces from 28x28 digits)."""
TRAIN_SOURCES: Final = 1297
"""How many of the 1,797 digits only train images are made of; the other 500 make the test images."""
DIMMEST: Final = 64
"""Least intensity of a colour, in each of red, green and blue."""


@dataclass(frozen=True)
class Sources:
    """Real digits: images `(N, 8, 8)` with values 0..16, labels `(N,)`."""

    images: Bytes
    labels: Ints


@cache
def sources() -> tuple[Sources, Sources]:
    """Return the digits that train and test images are made of: a fixed random split, 1,297 and 500."""
    path = str(distribution("scikit-learn").locate_file(DIGITS))
    table = np.loadtxt(path, dtype=np.int64, delimiter=",")
    images, labels = table[:, :-1].astype(np.uint8).reshape(-1, 8, 8), table[:, -1]
    order = permutation(len(labels), 1797)
    train, test = order[:TRAIN_SOURCES], order[TRAIN_SOURCES:]
    return Sources(images[train], labels[train]), Sources(images[test], labels[test])


def upscale(digits: Bytes) -> Bytes:
    """Scale `(N, 8, 8)`, 0..16, to `(N, 16, 16)`, 0..255: linear between pixel centres, in integers."""

    def double(x: Ints) -> Ints:
        padded = np.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")
        pair = np.stack((3 * x + padded[:, :-2], 3 * x + padded[:, 2:]), axis=2)
        return pair.reshape(len(x), 2 * x.shape[1], x.shape[2])

    twice = double(double(digits.astype(np.int64)).transpose(0, 2, 1)).transpose(0, 2, 1)
    return (twice * 255 // 256).astype(np.uint8)


def colours(count: int, *key: int) -> Ints:
    """Return `(count, 3)` random colours, none of them dim."""
    return integers(3 * count, DIMMEST, 256, *key).reshape(count, 3)


def paint(canvas: Bytes, patches: Bytes, colour: Ints, top: Ints, left: Ints) -> None:
    """Lay a patch `(N, h, w)` of opacities on each image of `canvas` `(N, 3, H, W)`, in place, in a colour `(N, 3)`."""
    windows = sliding_window_view(canvas, patches.shape[1:], axis=(2, 3), writeable=True)
    corner = (np.arange(len(canvas)), slice(None), top, left)
    opacity, tint = patches[:, None].astype(np.uint16), colour[:, :, None, None].astype(np.uint16)
    windows[corner] = (opacity * tint + (255 - opacity) * windows[corner]) // 255


def place(source: Sources, count: int, size: int, fragments: int, *key: int) -> tuple[Bytes, Ints]:
    """Return images `(count, 3, size, size)` and labels `(count,)`; image `i` shows digit `i mod len(source)`."""
    large = upscale(source.images)
    digits = np.arange(count) % len(large)
    canvas = np.zeros((count, 3, size, size), np.uint8)
    for piece in range(fragments):
        stream = (*key, 1 + piece)
        other = (digits + integers(count, 1, len(large), *stream, 0)) % len(large)
        cut_row, cut_column = integers(2 * count, 0, SIDE - CROP + 1, *stream, 1).reshape(2, count)
        span = np.arange(CROP)
        rows, columns = (cut_row[:, None] + span)[:, :, None], (cut_column[:, None] + span)[:, None, :]
        patch = large[other[:, None, None], rows, columns]
        top, left = integers(2 * count, 0, size - CROP + 1, *stream, 2).reshape(2, count)
        paint(canvas, patch, colours(count, *stream, 3), top, left)
    top, left = integers(2 * count, 0, size - SIDE + 1, *key, 0, 2).reshape(2, count)
    paint(canvas, large[digits], colours(count, *key, 0, 3), top, left)
    return canvas, source.labels[digits]


def cluttered(spec: ClutteredDigits) -> tuple[Bytes, Ints, Bytes, Ints]:
    """Return train images and labels, then test images and labels, a pure function of `spec`."""
    train, test = sources()
    return (
        *place(train, spec.train, spec.size, spec.fragments, spec.seed, 0),
        *place(test, spec.test, spec.size, spec.fragments, spec.seed, 1),
    )


def plain() -> tuple[Bytes, Ints, Bytes, Ints]:
    """Return the digits as they are, `(N, 1, 8, 8)` scaled to 0..255: train images and labels, then test."""
    train, test = sources()
    scaled = [(part.images.astype(np.uint16) * 255 // 16).astype(np.uint8)[:, None] for part in (train, test)]
    return scaled[0], train.labels, scaled[1], test.labels
