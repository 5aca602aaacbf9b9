"""Scenes in COCO's format: two annotation files and the images that they name."""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import CocoDetection, ConfigError, data_dir
from lightning_bam.data.imagenet import NORMAL
from lightning_bam.detection.sets import SceneSets, Target, no_boxes

LEAST: Final = 1e-3
"""Pixels below which a side of a box is none: in float32 it could collapse, and the detector refuses such a box."""


@dataclass(frozen=True)
class CocoSet:
    """Scenes read from a folder of images when asked for, in order of their ids."""

    files: list[Path]
    targets: list[Target]

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> Tensor:
        """Return a scene's image `(3, H, W)` uint8.

        Raises:
            ConfigError: a file that is no image.

        """
        from PIL import Image

        try:
            with Image.open(self.files[index]) as opened:
                pixels = np.array(opened.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ConfigError(f"{self.files[index]}: no readable image ({error})") from None
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def target(self, index: int) -> Target:
        """Return what is in it."""
        return self.targets[index]


def coco(spec: CocoDetection) -> SceneSets:
    """Return the scenes under `<data dir>/<name>`. Labels are 1 to `classes` in order of the category ids.

    The digest is that of the two annotation files.

    Raises:
        ConfigError: in one line, what is missing or does not fit.

    """
    (train, categories), (test, scored) = _part(spec, "train"), _part(spec, "val")
    if categories != scored:
        odd = sorted(set(categories) ^ set(scored))
        raise ConfigError(f"dataset.name={spec.name}: train and val list other categories, ids {odd}; make them equal")
    digest = hashlib.sha256()
    for split in ("train", "val"):
        digest.update(_annotations(spec, split).read_bytes())
    mean, std = map(torch.tensor, NORMAL)
    return SceneSets(train, test, mean, std, digest.hexdigest()[:16])


def _annotations(spec: CocoDetection, split: str) -> Path:
    return data_dir() / spec.name / "annotations" / f"instances_{split}{spec.year}.json"


def _part(spec: CocoDetection, split: str) -> tuple[CocoSet, list[int]]:
    from pycocotools.coco import COCO

    path, folder = _annotations(spec, split), data_dir() / spec.name / f"{split}{spec.year}"
    for wanted in (path, folder):
        if not wanted.exists():
            raise ConfigError(
                f"dataset.name={spec.name}: no {wanted}; put COCO's annotations into {path.parent} and the images into "
                f"{folder}, or set BAM_DATA to the folder that holds {spec.name!r}"
            )
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            read = COCO(path)
        categories = sorted(read.getCatIds())
        images = [read.imgs[key] for key in sorted(read.imgs)]
        files = [folder / image["file_name"] for image in images]
        if len(categories) != spec.classes:
            raise ConfigError(f"dataset.classes={spec.classes}: {path} has {len(categories)} categories")
        labels = {category: label for label, category in enumerate(categories, 1)}
        targets = [_target(read.imgToAnns.get(image["id"], []), labels, image) for image in images]
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not annotations in COCO's format ({type(error).__name__}: {error})") from None
    missing = [file for file in files if not file.exists()]
    if missing:
        raise ConfigError(f"{path}: names {len(missing)} images that are not in {folder}, the first {missing[0].name}")
    return CocoSet(files, targets), categories


def _target(annotations: list[dict[str, Any]], labels: dict[int, int], image: dict[str, Any]) -> Target:
    """Return boxes from `[x, y, width, height]`, cut at the image's edges; those without area are left out."""
    boxes, kinds, crowds = [], [], []
    for annotation in annotations:
        x, y, width, height = annotation["bbox"]
        right, bottom = min(x + width, image["width"]), min(y + height, image["height"])
        left, top = max(x, 0), max(y, 0)
        if right - left > LEAST and bottom - top > LEAST:
            boxes.append([left, top, right, bottom])
            kinds.append(labels[annotation["category_id"]])
            crowds.append(bool(annotation.get("iscrowd", 0)))
    if not boxes:
        return no_boxes()
    return Target(torch.tensor(boxes, dtype=torch.float32), torch.tensor(kinds), torch.tensor(crowds))
