"""Scenes in COCO's format: two annotation files and the images that they name."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired

import numpy as np
import pydantic
import torch
from torch import Tensor
from typing_extensions import TypedDict

from lightning_bam.config import CocoDetection, ConfigError, data_dir
from lightning_bam.config.spec import first_problem
from lightning_bam.data.image_folder import NORMAL
from lightning_bam.data.image_reader import image_size, read_image
from lightning_bam.detection.sets import SceneSets, Target, no_boxes
from lightning_bam.json_text import short

LEAST: Final = 1e-3
"""Pixels below which a side of a box is none: in float32 it could collapse, and the detector refuses such a box."""
FAR: Final = 1e9
"""Pixels beyond which no edge of a box lies."""
MOST_BYTES: Final = 4 * 2**30
"""Bytes of the largest annotation file that is read; COCO's own has 0.5 GB, in memory several times that."""

Edge = Annotated[float, pydantic.Field(gt=-FAR, lt=FAR)]
Side = Annotated[float, pydantic.Field(ge=0, lt=FAR)]


def _file_name(name: str) -> str:
    if not name or "\0" in name:
        raise ValueError("must be the name of a file")
    return name


class Category(TypedDict):
    """A category, as an annotation file has it."""

    id: int


class CocoImage(TypedDict):
    """An image, likewise; width and height in pixels."""

    id: int
    width: pydantic.PositiveInt
    height: pydantic.PositiveInt
    file_name: Annotated[str, pydantic.AfterValidator(_file_name)]


class Annotation(TypedDict):
    """A box, likewise: x, y, width, height in pixels."""

    id: NotRequired[Any]
    image_id: int
    category_id: int
    bbox: tuple[Edge, Edge, Side, Side]
    iscrowd: NotRequired[Literal[0, 1]]


class Annotations(TypedDict):
    """An annotation file; every entry is checked, since a figure would not show that one is missing."""

    categories: list[Category]
    images: list[CocoImage]
    annotations: list[Annotation]


FORMAT: Final = pydantic.TypeAdapter(Annotations)


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
    notes, names = hashlib.sha256(), hashlib.sha256()
    for split, part in (("train", train), ("val", test)):
        notes.update(_annotations(spec, split).read_bytes())
        for file in part.files:
            names.update(os.fsencode(file.relative_to(data_dir())) + f" {file.stat().st_size}\n".encode())
    digest = f"annotations:{notes.hexdigest()[:16]} names+sizes:{names.hexdigest()[:16]}"
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
    try:
        scenes, categories = _scenes(_read(path), folder)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if len(categories) != spec.classes:
        raise ConfigError(f"dataset.classes={spec.classes}: {path} has {len(categories)} categories")
    with ThreadPoolExecutor() as pool:
        list(pool.map(scenes.check_size, range(len(scenes))))
    return scenes, categories


def _read(path: Path) -> Annotations:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"has {size} bytes, and at most {MOST_BYTES} are read")
    try:
        return FORMAT.validate_json(path.read_bytes(), strict=True)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False)[0]
        text = first_problem(error) if problem["loc"] else problem["msg"]
        raise ValueError(f"not annotations in COCO's format: {text}") from None


def _scenes(read: Annotations, folder: Path) -> tuple[CocoSet, list[int]]:
    """Return the scenes in order of their ids, and the ids of the categories in order.

    Raises:
        ValueError: an id that is there twice or refers to nothing, an image that is not in `folder`, or a box that
            lies outside of its image.

    """
    labels = {category: label for label, category in enumerate(_ids(read["categories"], "category"), 1)}
    boxes: dict[int, list[Annotation]] = {key: [] for key in _ids(read["images"], "image")}
    images = sorted(read["images"], key=lambda image: image["id"])
    for annotation in read["annotations"]:
        of = f"annotation {short(annotation.get('id'))}"
        if annotation["image_id"] not in boxes:
            raise ValueError(f"{of}: image_id {short(annotation['image_id'])} is no image's id")
        if annotation["category_id"] not in labels:
            raise ValueError(f"{of}: category_id {short(annotation['category_id'])} is no category's id")
        boxes[annotation["image_id"]].append(annotation)
    sizes = [(image["width"], image["height"]) for image in images]
    targets = [_target(boxes[image["id"]], labels, *size) for image, size in zip(images, sizes, strict=True)]
    return CocoSet(_files(images, folder), sizes, targets), list(labels)


def _ids(entries: Iterable[Category | CocoImage], kind: str) -> list[int]:
    ids = sorted(entry["id"] for entry in entries)
    if twice := [one for one, other in pairwise(ids) if one == other]:
        raise ValueError(f"{kind} {short(twice[0])} is there twice; give each its own id")
    return ids


def _files(images: list[CocoImage], folder: Path) -> list[Path]:
    """Return where the images lie; a name must not lead out of `folder`."""
    owners: dict[Path, int] = {}
    root, missing = folder.resolve(), []
    for image in images:
        key, name = image["id"], image["file_name"]
        file = Path(os.path.normpath(folder / name))
        if not (file.is_relative_to(folder) and Path(os.path.realpath(file)).is_relative_to(root)):
            raise ValueError(f"image {short(key)}: file_name {short(name)} leads out of {folder}")
        if file in owners:
            raise ValueError(
                f"images {short(owners[file])} and {short(key)} have one file_name, {short(name)}; give each its own"
            )
        owners[file] = key
        missing += [] if os.path.isfile(file) else [name]  # noqa: PTH113 - false for a name that is too long
    if missing:
        raise ValueError(f"names {len(missing)} images that are not in {folder}, the first {short(missing[0])}")
    return list(owners)


def _target(annotations: list[Annotation], labels: Mapping[int, int], width: int, height: int) -> Target:
    """Return an image's boxes, cut at its edges; those without area, as COCO itself has some, are left out."""
    boxes, kinds, crowds = [], [], []
    for annotation in annotations:
        x, y, wide, high = annotation["bbox"]
        if x + wide <= -1 or y + high <= -1 or x >= width + 1 or y >= height + 1:
            raise ValueError(
                f"annotation {short(annotation.get('id'))}: bbox {short(list(annotation['bbox']))} lies outside of its "
                f"image of {width} x {height} pixels"
            )
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + wide, width), min(y + high, height)
        if right - left > LEAST and bottom - top > LEAST:
            boxes.append([left, top, right, bottom])
            kinds.append(labels[annotation["category_id"]])
            crowds.append(bool(annotation.get("iscrowd", 0)))
    if not boxes:
        return no_boxes()
    return Target(torch.tensor(boxes, dtype=torch.float32), torch.tensor(kinds), torch.tensor(crowds))
