"""Anyone's own images: a folder of train and test, decoded once into one tensor each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lightning_bam.config import ConfigError, ImageFolder, data_dir
from lightning_bam.data.images import Images, in_memory

MOST_BYTES: Final = 8 * 2**30
"""What train and test may take in memory together."""


def image_folder(spec: ImageFolder) -> Images:
    """Return `<data dir>/<name>/{train,test}/<class>/<image>` as `(N, 3, height, width)`.

    Raises:
        ConfigError: a folder is missing or empty, the class folders of test are not train's, an image cannot be
            read, or the whole would take more than 8 GiB.

    """
    train, test = _listing(spec, "train"), _listing(spec, "test")
    only = sorted(set(train.classes) ^ set(test.classes))
    if only:
        has, lacks = ("train", "test") if only[0] in train.classes else ("test", "train")
        raise ConfigError(
            f"image folder {spec.name!r}: {has} has a class folder {only[0]!r} and {lacks} has none; "
            f"both must hold the same class folders"
        )
    need = (len(train.samples) + len(test.samples)) * 3 * spec.height * spec.width
    if need > MOST_BYTES:
        raise ConfigError(
            f"image folder {spec.name!r} takes {need / 2**30:.1f} GiB at dataset.height={spec.height}, "
            f"dataset.width={spec.width}, and at most {MOST_BYTES / 2**30:g} GiB are held in memory; lower them"
        )
    parts = [decode(part.samples, spec.height, spec.width) for part in (train, test)]
    return in_memory(*parts[0], *parts[1])


def _listing(spec: ImageFolder, part: str) -> Any:
    """Return torchvision's list of the images of `train` or `test`."""
    from torchvision import datasets

    folder = data_dir() / spec.name / part
    if not folder.is_dir():
        raise ConfigError(f"image folder {spec.name!r}: no {folder}; put images at {folder}/<class>/<image>")
    try:
        return datasets.ImageFolder(folder)
    except FileNotFoundError as error:
        raise ConfigError(f"image folder {spec.name!r}: {folder}: {error}") from error


def decode(samples: list[tuple[str, int]], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Read images, scale each so that it just covers `(height, width)`, and keep the centre.

    Args:
        samples: paths and labels.
        height: in pixels.
        width: in pixels.

    Returns:
        Images `(N, 3, height, width)` uint8 and labels `(N,)` int64.

    Raises:
        ConfigError: an image cannot be read.

    """
    images = torch.empty(len(samples), 3, height, width, dtype=torch.uint8)

    def read(number: int) -> None:
        path = samples[number][0]
        try:
            with Image.open(path) as image:
                fitted = ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.BILINEAR)
        except OSError as error:
            raise ConfigError(f"cannot read the image {path}: {error}") from error
        images[number] = torch.from_numpy(np.array(fitted)).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        list(pool.map(read, range(len(samples))))
    return images, torch.tensor([label for _, label in samples])
