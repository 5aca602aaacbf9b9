"""A dataset of the user's own: what its spec loads, checked."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

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
    _check_description(spec)
    try:
        parts = spec.load()
    except ConfigError:
        raise
    except Exception as error:  # any mistake in a person's code is theirs to read, in one line
        raise ConfigError(f"{named(spec)}: load() failed: {told(error)}") from error
    if not isinstance(parts, tuple | list) or len(parts) != len(PARTS):
        _refuse(spec, f"load() must return {', '.join(PARTS)}")
    train, train_labels, test, test_labels = parts
    in_files = [isinstance(part, list | tuple) for part in (train, test)]
    if all(in_files):
        return ImageFiles(
            _listing(spec, PARTS[0], train, _labels(spec, PARTS[1], train_labels, len(train))),
            _listing(spec, PARTS[2], test, _labels(spec, PARTS[3], test_labels, len(test))),
            Fitted(*spec.shape[1:]),
        )
    if any(in_files):
        _refuse(spec, "one of train and test images is a list; give both as lists of paths, or as tensors or arrays")
    pixels = [_pixels(spec, name, values) for name, values in ((PARTS[0], train), (PARTS[2], test))]
    labels = [
        _labels(spec, name, values, len(images))
        for name, values, images in ((PARTS[1], train_labels, pixels[0]), (PARTS[3], test_labels, pixels[1]))
    ]
    return in_memory(pixels[0], labels[0], pixels[1], labels[1])


def _refuse(spec: DatasetSpec, problem: str) -> NoReturn:
    raise ConfigError(f"{named(spec)}: {problem}")


def _check_description(spec: DatasetSpec) -> None:
    shape, classes = spec.shape, spec.classes
    if not isinstance(shape, tuple) or len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        _refuse(spec, f"shape={shape!r:.60}: must be (channels, height, width), whole numbers from 1")
    if type(classes) is not int or classes < 1:
        _refuse(spec, f"classes={classes!r:.60}: must be a whole number from 1")


def _pixels(spec: DatasetSpec, name: str, values: Any) -> Tensor:
    wanted = f"(N, {', '.join(map(str, spec.shape))}) uint8"
    if not isinstance(values, Tensor | np.ndarray):
        _refuse(spec, f"{name} are {type(values).__name__}, must be a tensor or an array {wanted}, or a list of paths")
    kind = str(values.dtype).removeprefix("torch.")
    if kind != "uint8" or tuple(values.shape[1:]) != spec.shape or not len(values):
        _refuse(spec, f"{name} are {tuple(values.shape)} {kind}, must be {wanted}")
    if isinstance(values, np.ndarray):
        return torch.from_numpy(np.array(values))
    return values.detach().cpu().contiguous()


def _labels(spec: DatasetSpec, name: str, values: Any, count: int) -> Tensor:
    shapes = ((count,), (count, *spec.shape[1:]))
    wanted = f"must be ({count},) whole numbers, one an image, or {shapes[1]}, one a pixel"
    try:
        labels = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (TypeError, ValueError) as error:  # texts among numbers, lists of unequal length, bfloat16
        raise ConfigError(f"{named(spec)}: {name} are no array of numbers, {wanted}") from error
    if labels.shape not in shapes or (count and labels.dtype.kind not in "iu"):
        _refuse(spec, f"{name} are {labels.shape} {labels.dtype}, {wanted}")
    outside = labels[(labels < 0) | (labels >= spec.classes)]
    if len(outside):
        _refuse(spec, f"{name} hold {outside[0]}, must be 0 to {spec.classes - 1} (classes={spec.classes})")
    return torch.from_numpy(labels.astype(np.int64))


def _listing(spec: DatasetSpec, name: str, paths: Sequence[Any], labels: Tensor) -> Listing:
    if not paths:
        _refuse(spec, f"{name} are none")
    if odd := [path for path in paths if not isinstance(path, str | Path)]:
        _refuse(spec, f"{name} hold {type(odd[0]).__name__}, must be paths; or stack images to one tensor or array")
    if spec.shape[0] != 3:
        _refuse(spec, f"shape={spec.shape}: images from files have 3 channels")
    files = [Path(path).absolute() for path in paths]
    if missing := next((file for file in files if not file.is_file()), None):
        _refuse(spec, f"{name}: no such file {missing}")
    folder = Path(os.path.commonpath([file.parent for file in files]))
    names = np.array([os.fsencode(file.relative_to(folder)) for file in files])
    return Listing(folder, names, labels)
