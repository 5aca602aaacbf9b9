"""A dataset too large for memory: the names of its files, and the view of each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_bam.config import ConfigError
from lightning_bam.config.dataset import class_names, visible
from lightning_bam.data.draws import permutation
from lightning_bam.data.image_reader import read_image
from lightning_bam.data.images import CHUNK, held_out_mask, part_mask, statistics
from lightning_bam.data.views import View

NAMED: Final = 100
"""How many images that cannot be read are named in one line."""
SAMPLE: Final = 2
"""First word of the key that decides from which train images mean and deviation are taken."""


@dataclass(frozen=True)
class Listing:
    """Image files below one folder: `names` `(N,)`, relative to it and encoded, `labels` `(N,)` int64.

    Worker processes share an array of names without copying, which they would not do with a million Python strings.
    """

    folder: Path
    names: npt.NDArray[np.bytes_]
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.names)

    def path(self, index: int) -> Path:
        """Return the path of an image."""
        return self.folder / os.fsdecode(bytes(self.names[index]))

    def paths(self) -> Iterator[Path]:
        """Yield the path of each image."""
        return map(self.path, range(len(self)))

    def subset(self, indices: Tensor) -> Listing:
        """Return the files where `indices`, `(N,)` bool, holds."""
        return Listing(self.folder, self.names[indices.numpy()], self.labels[indices])


@dataclass(frozen=True)
class ImageFiles:
    """Train and scored images as files; `normal` are their channels' mean and deviation, else measured."""

    train: Listing
    test: Listing
    view: View
    normal: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def count(self) -> int:
        """Number of train images."""
        return len(self.train)

    @property
    def labels(self) -> Tensor:
        """The labels of the train images, `(N,)`."""
        return self.train.labels

    @property
    def scored_count(self) -> int:
        """Number of scored images."""
        return len(self.test)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of what is seen of an image."""
        return (3, *self.view.size)

    @property
    def padded(self) -> bool:
        """Whether batches are padded and cropped on the device."""
        return self.view.padded

    @cached_property
    def digest(self) -> str:
        """`names+sizes:` and 16 hex digits of the SHA-256 of all names, labels and file sizes; no pixel is in it."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            sizes = np.array([path.stat().st_size for path in part.paths()], np.int64)
            for array in (part.names, part.labels.numpy(), sizes):
                digest.update(f"{array.shape} {array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return f"names+sizes:{digest.hexdigest()[:16]}"

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel, float32 `(3,)`: the given ones, or those of 4,096 train images."""
        if self.normal is not None:
            return torch.tensor(self.normal[0]), torch.tensor(self.normal[1])
        indices = permutation(self.count, SAMPLE)[:CHUNK]
        return statistics(decode([self.train.path(index) for index in indices], self.view))

    @property
    def mean(self) -> Tensor:
        """Mean of each channel, float32 `(3,)`."""
        return self.statistics[0]

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel, float32 `(3,)`."""
        return self.statistics[1]

    def scored(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return these images of the scored set, `(n, 3, H, W)` uint8, and their labels `(n,)`."""
        return decode([self.test.path(index) for index in indices], self.view), self.test.labels[list(indices)]

    def part(self, count: int | None) -> ImageFiles:
        """Return the files with so many of train, all for None; see `images.part_mask`."""
        return self if count is None else replace(self, train=self.train.subset(part_mask(self.train.labels, count)))

    def held_out(self) -> ImageFiles:
        """Return the files with a fixed fifth of train in the place of test; see `images.held_out`."""
        scored = held_out_mask(self.train.labels)
        return replace(self, train=self.train.subset(~scored), test=self.train.subset(scored))


def listing(folder: Path, name: str) -> tuple[Listing, list[str]]:
    """Return the images `<folder>/<class>/<image>` of a dataset called `name`, and the sorted names of the classes.

    Hidden files, as a notebook's copies, are left out. ConfigError for a missing folder or a class without an image.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension, make_dataset

    classes = class_names(folder) if folder.is_dir() else []
    if not classes:
        state = f"{folder} holds no class folder" if folder.is_dir() else f"no {folder}"
        raise ConfigError(f"{name}: {state}; put images at {folder}/<class>/<image>")
    start = len(str(folder)) + 1

    def image(path: str) -> bool:
        return all(map(visible, path[start:].split("/"))) and bool(has_file_allowed_extension(path, IMG_EXTENSIONS))

    try:
        samples = make_dataset(folder, {each: label for label, each in enumerate(classes)}, is_valid_file=image)
    except FileNotFoundError as error:
        allowed = ", ".join(IMG_EXTENSIONS)
        raise ConfigError(f"{name}: {folder}: {str(error).strip()} Supported extensions are: {allowed}") from error
    names = np.array([os.fsencode(path[start:]) for path, _ in samples])
    return Listing(folder, names, torch.tensor([label for _, label in samples])), classes


def decode(paths: Sequence[Path], view: View) -> Tensor:
    """Return what is scored of each image, `(N, 3, H, W)` uint8; ConfigError that names all that cannot be read."""
    images = torch.empty(len(paths), 3, *view.size, dtype=torch.uint8)

    def put(number: int) -> ConfigError | None:
        try:
            image = read_image(paths[number])
        except ConfigError as error:
            return error
        images[number] = torch.from_numpy(np.array(view.scored(image))).permute(2, 0, 1)
        return None

    with ThreadPoolExecutor() as pool:
        wrong = [error for error in pool.map(put, range(len(paths))) if error is not None]
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        named = "; ".join(str(error).removeprefix("cannot read the image ") for error in wrong[:NAMED])
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise ConfigError(f"cannot read {len(wrong)} of {len(paths)} images: {named}{more}")
    return images
