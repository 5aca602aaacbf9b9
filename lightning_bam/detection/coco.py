"""Scenes in COCO's format: two annotation files and the images that they name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import CocoDetection, ConfigError, data_dir
from lightning_bam.data.image_folder import NORMAL
from lightning_bam.data.image_reader import image_size, read_image
from lightning_bam.detection.sets import SceneSets, Target, no_boxes

LEAST: Final = 1e-3
"""Pixels below which a side of a box is none: in float32 it could collapse, and the detector refuses such a box."""
FAR: Final = 1e9
"""Pixels beyond which no edge of a box lies."""
MOST_BYTES: Final = 4 * 2**30
"""Bytes of the largest annotation file that is read; COCO's own has 0.5 GB, in memory several times that."""


@dataclass(frozen=True)
class CocoSet:
    """Scenes read from a folder of images when asked for, in order of their ids.

    `sizes` are width and height as the annotation file declares them.
    """

    files: list[Path]
    sizes: list[tuple[int, int]]
    targets: list[Target]

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> Tensor:
        """Return a scene's image `(3, H, W)` uint8.

        Raises:
            ConfigError: the file is no image, or not of the declared size.

        """
        image = read_image(self.files[index])
        self._compare(index, image.size)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    def target(self, index: int) -> Target:
        """Return what is in it."""
        return self.targets[index]

    def check_size(self, index: int) -> None:
        """Refuse an image that has not the declared size, by its header.

        Raises:
            ConfigError: likewise.

        """
        self._compare(index, image_size(self.files[index]))

    def _compare(self, index: int, size: tuple[int, int]) -> None:
        if size != self.sizes[index]:
            (width, height), (wide, high) = size, self.sizes[index]
            why = "; EXIF turns it, and the boxes must be those of the upright image" if size == (high, wide) else ""
            raise ConfigError(
                f"{self.files[index]}: the image has {width} x {height} pixels, and its annotations are made for "
                f"{wide} x {high}{why}"
            )


class AnnotationFile:
    """An annotation file whose every entry is checked: none may get lost, since a figure would not show it.

    Args:
        path: where it lies.

    Raises:
        ConfigError: it is too large, or not in COCO's format.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ConfigError(f"{path}: has {size} bytes, and at most {MOST_BYTES} are read")
        try:
            read = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise self.fault(f"not JSON ({type(error).__name__}: {error!s:.100})") from None
        if not isinstance(read, dict):
            raise self.fault("not annotations in COCO's format (no object)")
        self.read: dict[str, Any] = read

    def fault(self, what: str) -> ConfigError:
        """Return the error that says what is wrong with it."""
        return ConfigError(f"{self.path}: {what}")

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Return the list `images`, `annotations` or `categories`.

        Raises:
            ConfigError: there is no such list of objects.

        """
        entries = self.read.get(kind)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self.fault(f"not annotations in COCO's format ({kind!r} is no list of objects)")
        return entries

    def by_id(self, kind: str) -> dict[int, dict[str, Any]]:
        """Return the entries of a list by their ids, in the ids' order.

        Raises:
            ConfigError: an id is no whole number or there twice.

        """
        found: dict[int, dict[str, Any]] = {}
        for entry in self.entries(kind):
            key = entry.get("id")
            if not _whole(key):
                raise self.fault(f"{kind}: id {_short(key)} is no whole number")
            if key in found:
                raise self.fault(f"{kind}: id {_short(key)} is there twice")
            found[key] = entry
        return dict(sorted(found.items()))

    def size(self, key: int, image: Mapping[str, Any]) -> tuple[int, int]:
        """Return the declared width and height of an image.

        Raises:
            ConfigError: they are no whole numbers from 1.

        """
        width, height = image.get("width"), image.get("height")
        if not (_whole(width) and _whole(height) and width > 0 and height > 0):
            raise self.fault(f"image {_short(key)}: width {_short(width)} and height {_short(height)} are no size")
        return width, height

    def files(self, folder: Path, images: Mapping[int, Mapping[str, Any]]) -> list[Path]:
        """Return where the images lie, which must be in `folder`.

        Raises:
            ConfigError: a name that leads elsewhere, is there twice, or names no file.

        """
        files: dict[Path, int] = {}
        root, missing = folder.resolve(), []
        for key, image in images.items():
            name = image.get("file_name")
            if not isinstance(name, str) or not name or "\0" in name or not _encodable(name):
                raise self.fault(f"image {_short(key)}: file_name {_short(name)} is no name of a file")
            file = folder / os.path.normpath(name)
            if file.is_relative_to(folder) and ".." not in file.relative_to(folder).parts:
                inside = Path(os.path.realpath(file)).is_relative_to(root)
            else:
                inside = False
            if not inside:
                raise self.fault(f"image {_short(key)}: file_name {_short(name)} leads out of {folder}")
            if file in files:
                raise self.fault(
                    f"images {_short(files[file])} and {_short(key)} have one file_name, {_short(name)}; give each "
                    "its own"
                )
            files[file] = key
            missing += [] if _present(file) else [name]
        if missing:
            raise self.fault(f"names {len(missing)} images that are not in {folder}, the first {_short(missing[0])}")
        return list(files)

    def target(self, annotations: list[dict[str, Any]], labels: Mapping[int, int], width: int, height: int) -> Target:
        """Return an image's boxes, cut at its edges; those without area, as COCO itself has some, are left out.

        Raises:
            ConfigError: a box that is none, or that lies outside of the image, or of an unknown category.

        """
        boxes, kinds, crowds = [], [], []
        for annotation in annotations:
            of, box, crowd = _short(annotation.get("id")), annotation.get("bbox"), annotation.get("iscrowd", 0)
            category = annotation.get("category_id")
            if not _whole(category) or category not in labels:
                raise self.fault(f"annotation {of}: category_id {_short(category)} is no category's id")
            if crowd not in (0, 1):
                raise self.fault(f"annotation {of}: iscrowd {_short(crowd)} is neither 0 nor 1")
            if not isinstance(box, list) or len(box) != 4 or not all(map(_edge, box)) or min(box[2:]) < 0:
                raise self.fault(f"annotation {of}: bbox {_short(box)} is not [x, y, width, height] in pixels")
            x, y, wide, high = box
            if x + wide <= -1 or y + high <= -1 or x >= width + 1 or y >= height + 1:
                raise self.fault(
                    f"annotation {of}: bbox {_short(box)} lies outside of its image of {width} x {height} pixels"
                )
            left, top, right, bottom = max(x, 0), max(y, 0), min(x + wide, width), min(y + high, height)
            if right - left > LEAST and bottom - top > LEAST:
                boxes.append([left, top, right, bottom])
                kinds.append(labels[category])
                crowds.append(bool(crowd))
        if not boxes:
            return no_boxes()
        return Target(torch.tensor(boxes, dtype=torch.float32), torch.tensor(kinds), torch.tensor(crowds))


def coco(spec: CocoDetection) -> SceneSets:
    """Return the scenes under `<data dir>/<name>`. Labels are 1 to `classes` in order of the category ids.

    The digest is that of the two annotation files, and another of the names and sizes of the images; pixels are not in
    it.

    Raises:
        ConfigError: in one line, what is missing or does not fit.

    """
    (train, categories), (test, scored) = _part(spec, "train"), _part(spec, "val")
    if categories != scored:
        odd = sorted(set(categories) ^ set(scored))
        raise ConfigError(f"dataset.name={spec.name}: train and val list other categories, ids {odd}; make them equal")
    notes, files = hashlib.sha256(), hashlib.sha256()
    for split, part in (("train", train), ("val", test)):
        notes.update(_annotations(spec, split).read_bytes())
        for file in part.files:
            files.update(os.fsencode(file.relative_to(data_dir())) + f" {file.stat().st_size}\n".encode())
    digest = f"annotations:{notes.hexdigest()[:16]} names+sizes:{files.hexdigest()[:16]}"
    mean, std = map(torch.tensor, NORMAL)
    return SceneSets(train, test, mean, std, digest)


def _annotations(spec: CocoDetection, split: str) -> Path:
    return data_dir() / spec.name / "annotations" / f"instances_{split}{spec.year}.json"


def _part(spec: CocoDetection, split: str) -> tuple[CocoSet, list[int]]:
    path, folder = _annotations(spec, split), data_dir() / spec.name / f"{split}{spec.year}"
    for wanted in (path, folder):
        if not wanted.exists():
            raise ConfigError(
                f"dataset.name={spec.name}: no {wanted}; put COCO's annotations into {path.parent} and the images into "
                f"{folder}, or set BAM_DATA to the folder that holds {spec.name!r}"
            )
    read = AnnotationFile(path)
    categories, images = list(read.by_id("categories")), read.by_id("images")
    if len(categories) != spec.classes:
        raise ConfigError(f"dataset.classes={spec.classes}: {path} has {len(categories)} categories")
    labels = {category: label for label, category in enumerate(categories, 1)}
    annotations: dict[int, list[dict[str, Any]]] = {key: [] for key in images}
    for annotation in read.entries("annotations"):
        key = annotation.get("image_id")
        if not _whole(key) or key not in annotations:
            raise read.fault(f"annotation {_short(annotation.get('id'))}: image_id {_short(key)} is no image's id")
        annotations[key].append(annotation)
    files = read.files(folder, images)
    sizes = [read.size(key, image) for key, image in images.items()]
    targets = [read.target(annotations[key], labels, *size) for key, size in zip(images, sizes, strict=True)]
    scenes = CocoSet(files, sizes, targets)
    with ThreadPoolExecutor() as pool:
        list(pool.map(scenes.check_size, range(len(scenes))))
    return scenes, categories


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _present(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name that is too long
        return False


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _edge(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -FAR < value < FAR


def _short(value: object) -> str:
    """Return a foreign value in one line that can be read."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
