"""Anyone's own images: a folder of train and test, decoded once into one tensor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lightning_bam.config import ConfigError, ImageFolder, data_dir
from lightning_bam.data.images import Images, gather

MOST_BYTES: Final = 8 * 2**30
"""What train and test may take in memory together."""


def image_folder(spec: ImageFolder) -> Images:
    """Return `<data dir>/<name>/{train,test}/<class>/<image>` as `(N, 3, height, width)`.

    Raises:
        ConfigError: a folder is missing, the class folders of test are not train's, an image cannot be read, or the
            whole would not fit in 8 GiB.

    """
    from torchvision import datasets

    classes = spec.classes  # raises where there is no train folder
    root = data_dir() / spec.name
    where = f"image folder {spec.name!r}"
    try:
        train, test = (datasets.ImageFolder(root / part) for part in ("train", "test"))
    except FileNotFoundError as error:
        raise ConfigError(f"{where}: {error}") from error
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        raise ConfigError(
            f"{where}: {root / 'train'} and {root / 'test'} must hold the same class folders; only one has {odd[0]!r}"
        )
    assert classes == len(train.classes)
    need = (len(train.samples) + len(test.samples)) * 3 * spec.height * spec.width
    if need > MOST_BYTES:
        raise ConfigError(
            f"{where}: {need / 2**30:.1f} GiB at {spec.height}x{spec.width} pixels, more than the "
            f"{MOST_BYTES / 2**30:g} GiB that are held in memory; lower dataset.height and dataset.width"
        )
    parts = [decode(listing.samples, spec.height, spec.width) for listing in (train, test)]
    return gather(*parts[0], *parts[1])


def decode(samples: list[tuple[str, int]], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Read images, scale each so that it just covers `(height, width)`, and cut the centre.

    Returns:
        Images `(N, 3, height, width)` uint8 and labels `(N,)` int64.

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
