"""Scenes in COCO's format: two annotation files and the images that they name."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired

import pydantic
import torch
from typing_extensions import TypedDict

from lightning_bam.config import CocoDetection, ConfigError, data_dir
from lightning_bam.config.spec import first_problem
from lightning_bam.data.image_folder import NORMAL
from lightning_bam.detection.scene_files import names_and_sizes, scene_files
from lightning_bam.detection.sets import SceneSet, SceneSets, Target
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
    """A category."""

    id: int


class CocoImage(TypedDict):
    """An image; width and height in pixels."""

    id: int
    width: pydantic.PositiveInt
    height: pydantic.PositiveInt
    file_name: Annotated[str, pydantic.AfterValidator(_file_name)]


class Annotation(TypedDict):
    """A box: x, y, width, height in pixels."""

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


def coco(spec: CocoDetection) -> SceneSets:
    """Return the scenes under `<data dir>/<name>`. Labels are 1 to `classes` in order of the category ids.

    The digest is that of the two annotation files, and another of the names and sizes of the images; pixels are not in
    it. ConfigError in one line for what is missing or does not fit.
    """
    root, notes, names = data_dir() / spec.name, hashlib.sha256(), hashlib.sha256()
    sets: list[SceneSet] = []
    categories: list[list[int]] = []
    for split in ("train", "val"):
        path, folder = root / "annotations" / f"instances_{split}{spec.year}.json", root / f"{split}{spec.year}"
        for source in (path, folder):
            if not source.exists():
                raise ConfigError(
                    f"dataset.name={spec.name}: no {source}; put COCO's annotations into {path.parent} and the images "
                    f"into {folder}, or set BAM_DATA to the folder that holds {spec.name!r}"
                )
        try:
            annotations = _read(path)
            categories.append(_ids(annotations["categories"], "category"))
            images = sorted(annotations["images"], key=lambda image: image["id"])
            targets = _targets(annotations, images, categories[-1])
            files = _files(images, folder)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None
        if len(categories[-1]) != spec.classes:
            raise ConfigError(f"dataset.classes={spec.classes}: {path} has {len(categories[-1])} categories")
        sizes = [(image["width"], image["height"]) for image in images]
        sets.append(scene_files(files, sizes, targets))
        notes.update(path.read_bytes())
        names.update(names_and_sizes(files))
    if categories[0] != categories[1]:
        ids = sorted(set(categories[0]) ^ set(categories[1]))
        raise ConfigError(f"dataset.name={spec.name}: train and val list other categories, ids {ids}; make them equal")
    digest = f"annotations:{notes.hexdigest()[:16]} names+sizes:{names.hexdigest()[:16]}"
    mean, std = map(torch.tensor, NORMAL)
    return SceneSets(sets[0], sets[1], mean, std, digest)


def _read(path: Path) -> Annotations:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"has {size} bytes, and at most {MOST_BYTES} are read")
    try:
        return FORMAT.validate_json(path.read_bytes(), strict=True)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False)[0]
        text = first_problem(error) if problem["loc"] else problem["msg"]
        raise ValueError(f"not annotations in COCO's format: {text}") from None


def _ids(entries: Iterable[Category | CocoImage], kind: str) -> list[int]:
    ids = sorted(entry["id"] for entry in entries)
    if duplicates := [one for one, other in pairwise(ids) if one == other]:
        raise ValueError(f"{kind} {short(duplicates[0])} is there twice; give each its own id")
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


def _targets(annotations: Annotations, images: list[CocoImage], categories: list[int]) -> list[Target]:
    """Return what is in each image; ValueError for an id that refers to nothing, or a box outside of its image."""
    labels = {category: label for label, category in enumerate(categories, 1)}
    boxes: dict[int, list[Annotation]] = {key: [] for key in _ids(images, "image")}
    for annotation in annotations["annotations"]:
        of = f"annotation {short(annotation.get('id'))}"
        if annotation["image_id"] not in boxes:
            raise ValueError(f"{of}: image_id {short(annotation['image_id'])} is no image's id")
        if annotation["category_id"] not in labels:
            raise ValueError(f"{of}: category_id {short(annotation['category_id'])} is no category's id")
        boxes[annotation["image_id"]].append(annotation)
    return [_target(boxes[image["id"]], labels, image["width"], image["height"]) for image in images]


def _target(annotations: list[Annotation], labels: Mapping[int, int], width: int, height: int) -> Target:
    """Return an image's boxes, cut at its edges; those without area, as COCO has some, are left out."""
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
    return Target.of(boxes, kinds, crowds)
