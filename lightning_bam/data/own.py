"""A dataset of the user's own: what its spec loads, checked."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError, DatasetSpec
from lightning_bam.data.image_files import ImageFiles, Listing
from lightning_bam.data.images import Images, in_memory
from lightning_bam.data.views import Fitted
from lightning_bam.user_code.build import named, told

PARTS = ("train images", "train labels", "test images", "test labels")


def own_images(spec: DatasetSpec) -> Images | ImageFiles:
    """Return the images that a spec of the user's own loads, in memory, or as files that are read when they are used.

    ConfigError, in a line: a `load` that fails, or gives something else than the spec says.
    """
    try:
        parts = spec.load()
    except ConfigError:
        raise
    except Exception as error:  # any mistake in a person's code is theirs to read, in one line
        raise ConfigError(f"{named(spec)}: load() failed: {told(error)}") from error
    if not isinstance(parts, tuple | list) or len(parts) != len(PARTS):
        raise ConfigError(f"{named(spec)}: load() must return {', '.join(PARTS)}")
    train, train_labels, test, test_labels = parts
    labels = [
        _labels(spec, name, values, len(images))
        for name, values, images in ((PARTS[1], train_labels, train), (PARTS[3], test_labels, test))
    ]
    if all(isinstance(part, Sequence) and not isinstance(part, str) for part in (train, test)):
        if spec.shape[0] != 3:
            raise ConfigError(f"{named(spec)}: shape={spec.shape}: images from files have 3 channels")
        view = Fitted(*spec.shape[1:])
        return ImageFiles(_listing(spec, PARTS[0], train, labels[0]), _listing(spec, PARTS[2], test, labels[1]), view)
    pixels = [_pixels(spec, name, values) for name, values in ((PARTS[0], train), (PARTS[2], test))]
    return in_memory(pixels[0], labels[0], pixels[1], labels[1])


def _pixels(spec: DatasetSpec, name: str, values: Any) -> Tensor:
    pixels = torch.as_tensor(values)
    if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != tuple(spec.shape) or not len(pixels):
        raise ConfigError(
            f"{named(spec)}: {name} are {tuple(pixels.shape)} {str(pixels.dtype).removeprefix('torch.')}, must be "
            f"(N, {', '.join(map(str, spec.shape))}) uint8"
        )
    return pixels.contiguous()


def _labels(spec: DatasetSpec, name: str, values: Any, count: int) -> Tensor:
    labels = torch.as_tensor(values)
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.shape != (count,):
        raise ConfigError(
            f"{named(spec)}: {name} are {tuple(labels.shape)} {str(labels.dtype).removeprefix('torch.')}, must be "
            f"({count},) whole numbers, one an image"
        )
    labels = labels.to(torch.int64)
    outside = labels[(labels < 0) | (labels >= spec.classes)]
    if len(outside):
        raise ConfigError(
            f"{named(spec)}: {name} hold {int(outside[0])}, must be 0 to {spec.classes - 1} (classes={spec.classes})"
        )
    return labels


def _listing(spec: DatasetSpec, name: str, paths: Sequence[Any], labels: Tensor) -> Listing:
    files = [Path(path).absolute() for path in paths]
    if not files:
        raise ConfigError(f"{named(spec)}: {name} are none")
    if missing := next((file for file in files if not file.is_file()), None):
        raise ConfigError(f"{named(spec)}: {name}: no such file {missing}")
    folder = Path(os.path.commonpath([file.parent for file in files]))
    names = np.array([os.fsencode(file.relative_to(folder)) for file in files])
    return Listing(folder, names, labels)
