"""Scenes whose images lie in files: each is read when it is wanted, and must have the size that its boxes are for."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError, data_dir
from lightning_bam.data.image_reader import image_size, read_image
from lightning_bam.detection.sets import SceneSet, Target


def scene_files(files: Sequence[Path], sizes: Sequence[tuple[int, int]], targets: Sequence[Target]) -> SceneSet:
    """Return scenes of these image files, of (width, height) `sizes`; ConfigError for an image of another size."""
    with ThreadPoolExecutor() as pool:
        for file, size, declared in zip(files, pool.map(image_size, files), sizes, strict=True):
            _check_size(file, size, declared)
    return SceneSet(partial(_image, files, sizes), targets)


def names_and_sizes(files: Sequence[Path]) -> bytes:
    """Return lines that say where these files lie in the data folder, and how many bytes each has; for a digest."""
    return b"".join(os.fsencode(f.relative_to(data_dir())) + f" {f.stat().st_size}\n".encode() for f in files)


def _image(files: Sequence[Path], sizes: Sequence[tuple[int, int]], index: int) -> Tensor:
    image = read_image(files[index])
    _check_size(files[index], image.size, sizes[index])
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _check_size(file: Path, size: tuple[int, int], declared: tuple[int, int]) -> None:
    if size != declared:
        (width, height), (wide, high) = size, declared
        why = "; EXIF turns it, and the boxes must be those of the upright image" if size == (high, wide) else ""
        raise ConfigError(
            f"{file}: the image has {width} x {height} pixels, and its annotations are made for {wide} x {high}{why}"
        )
