"""Scenes in PASCAL VOC's format: lists of image names, and an XML file with the boxes of each."""

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import torch

from lightning_bam.config import ConfigError, VOCDetection, data_dir
from lightning_bam.data.image_folder import NORMAL
from lightning_bam.detection.coco import LEAST
from lightning_bam.detection.scene_files import names_and_sizes, scene_files
from lightning_bam.detection.sets import SceneSet, SceneSets, Target
from lightning_bam.json_text import short

CLASSES: Final = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""VOC's classes; the first has label 1."""
TRAIN: Final = (("VOC2007", "trainval"), ("VOC2012", "trainval"))
TEST: Final = (("VOC2007", "test"),)
MOST_BYTES: Final = 2**20
"""Bytes of the largest file that is read, a list or an annotation; VOC's own have less than 0.2 MB."""


def voc(spec: VOCDetection) -> SceneSets:
    """Return the scenes under `<data dir>/<name>`, in the order of VOC's lists, 2007 before 2012.

    The digest is that of the lists and annotations, and another of the names and sizes of the images; pixels are not in
    it. ConfigError in one line, with the file, for what is missing or does not fit.
    """
    root, notes, names = data_dir() / spec.name, hashlib.sha256(), hashlib.sha256()
    sets: list[SceneSet] = []
    for parts in (TRAIN, TEST):
        files: list[Path] = []
        sizes: list[tuple[int, int]] = []
        targets: list[Target] = []
        for year, part in parts:
            listed = root / year / "ImageSets" / "Main" / f"{part}.txt"
            if not listed.is_file():
                raise ConfigError(
                    f"dataset.name={spec.name}: no {listed}; unpack VOC2007 (trainval and test) and VOC2012 (trainval) "
                    f"so that {root} holds the folders VOC2007 and VOC2012, or set BAM_DATA to the folder that holds "
                    f"{spec.name!r}"
                )
            text = _text(listed)
            notes.update(text.encode())
            for name in _names(listed, text):
                path = root / year / "Annotations" / f"{name}.xml"
                image = root / year / "JPEGImages" / f"{name}.jpg"
                for file in (path, image):
                    if not file.is_file():
                        raise ConfigError(f"{listed}: names {name}, and there is no {file}")
                text = _text(path)
                notes.update(text.encode())
                try:
                    size, target = annotation(text)
                except ValueError as error:
                    raise ConfigError(f"{path}: {error}") from None
                files.append(image)
                sizes.append(size)
                targets.append(target)
        sets.append(scene_files(files, sizes, targets))
        names.update(names_and_sizes(files))
    digest = f"annotations:{notes.hexdigest()[:16]} names+sizes:{names.hexdigest()[:16]}"
    mean, std = map(torch.tensor, NORMAL)
    return SceneSets(sets[0], sets[1], mean, std, digest)


def annotation(text: str) -> tuple[tuple[int, int], Target]:
    """Return an image's size, width and height, and what is in it, from the text of its XML file.

    VOC counts pixels from 1 and its boxes end with the last pixel: xmin 1 and xmax 1 are the first column, 0 to 1 here.
    ValueError in one line for what is no annotation of an image.
    """
    if "<!DOCTYPE" in text:  # without one no entity can be declared, which could grow without end or name a file
        raise ValueError("has a document type (<!DOCTYPE), which no annotation of VOC's has")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"is no XML: {error}") from None
    if root.tag != "annotation":
        raise ValueError(f"its outermost element is {short(root.tag)}, must be 'annotation'")
    width, height = (_number(root, f"size/{side}") for side in ("width", "height"))
    if not (width >= 1 and height >= 1 and width.is_integer() and height.is_integer()):
        raise ValueError(f"size {width:g} x {height:g}: must be whole pixels, at least 1 x 1")
    boxes, labels, difficult = [], [], []
    for number, found in enumerate(root.findall("object"), 1):
        name = (found.findtext("name") or "").strip()
        if name not in CLASSES:
            raise ValueError(f"object {number}: name {short(name)} is none of VOC's 20 classes")
        try:
            corners = [_number(found, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
            hard = _number(found, "difficult") if found.find("difficult") is not None else 0
            if hard not in (0, 1):
                raise ValueError(f"difficult={hard:g}: must be 0 or 1")
        except ValueError as error:
            raise ValueError(f"object {number} ({name}): {error}") from None
        left, top = max(corners[0] - 1, 0), max(corners[1] - 1, 0)
        right, bottom = min(corners[2], width), min(corners[3], height)
        if not (right - left > LEAST and bottom - top > LEAST):
            raise ValueError(
                f"object {number} ({name}): bndbox {corners} has no pixel of its image of {width:g} x {height:g}"
            )
        boxes.append([left, top, right, bottom])
        labels.append(1 + CLASSES.index(name))
        difficult.append(hard == 1)
    return (int(width), int(height)), Target.of(boxes, labels, difficult)


def _number(element: ElementTree.Element, path: str) -> float:
    """Return the number that an element below has as its text."""
    if (text := element.findtext(path)) is None:
        raise ValueError(f"{path.rpartition('/')[2]}: must be given")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{path.rpartition('/')[2]}={short(text)}: must be a number")
    return value


def _text(path: Path) -> str:
    """Return a file's text in UTF-8; ConfigError for a large file, or one that is no text."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ConfigError(f"{path}: has {size} bytes, and at most {MOST_BYTES} are read")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8: {error.reason} at byte {error.start}") from None


def _names(path: Path, text: str) -> Sequence[str]:
    """Return the image names of a list, one a line: none that leads to another folder, and none twice."""
    names: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if name := line.strip():
            if not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise ConfigError(f"{path}, line {number}: {short(name)} is no name of an image, as 000005")
            if name in names:
                raise ConfigError(f"{path}, line {number}: {name} is there twice")
            names[name] = None
    if not names:
        raise ConfigError(f"{path}: names no image")
    return list(names)
