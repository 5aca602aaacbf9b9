"""Annotation files in COCO's format with one fault each: nothing that they say gets lost without a word."""

import json
import os
import re

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_bam.config import CocoDetection, ConfigError
from lightning_bam.detection.data import load_scenes

SPEC = CocoDetection(classes=2)


@pytest.fixture
def coco(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    for part in ("train", "val"):
        folder = tmp_path / "coco" / f"{part}2017"
        folder.mkdir(parents=True)
        for number, name in ((7, "a.png"), (2, "b.png")):
            Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(folder / name)
        path = tmp_path / "coco" / "annotations" / f"instances_{part}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(annotated()))
    return tmp_path / "coco"


def annotated():
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "b.png", "height": 20, "width": 30},
        ],
        "categories": [{"id": 5, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"id": 10, "image_id": 7, "category_id": 3, "bbox": [1, 2, 5, 6]},
            {"id": 11, "image_id": 2, "category_id": 5, "bbox": [0.5, 2, 50, 6], "iscrowd": 1},
        ],
    }


def test_what_is_whole_is_read(coco):
    scenes = load_scenes(SPEC).train
    assert [int(scenes.image(index).max()) for index in range(2)] == [2, 7]
    assert [scenes.targets[index].labels.tolist() for index in range(2)] == [[2], [1]]
    assert scenes.targets[0].boxes.tolist() == [[0.5, 2, 30, 8]]
    assert scenes.targets[0].crowd.tolist() == [True]


def test_boxes_without_area_and_those_within_a_pixel_of_the_edge_are_left_out(coco):
    read = annotated()
    read["annotations"] += [
        {"id": 12 + number, "image_id": 7, "category_id": 3, "bbox": box}
        for number, box in enumerate(([3, 3, 0, 4], [3, 3, 4, 0], [30.0, 1, 0.5, 4], [-0.5, 1, 0.5, 4]))
    ]
    (coco / "annotations" / "instances_val2017.json").write_text(json.dumps(read))
    assert load_scenes(SPEC).test.targets[1].boxes.tolist() == [[1, 2, 6, 8]]


FAULTS = (
    {
        "image id as text": ("images", 0, "id", "7", "images.0.id='7': input should be a valid integer"),
        "image id as truth": ("images", 0, "id", True, "images.0.id=True: input should be a valid integer"),
        "image id as float": ("images", 0, "id", 7.0, "images.0.id=7.0: input should be a valid integer"),
        "image without id": ("images", 0, "id", None, "images.0.id=None: input should be a valid integer"),
        "images of one id": ("images", 0, "id", 2, "image 2 is there twice; give each its own id"),
        "images of one name": (
            *("images", 0, "file_name", "b.png"),
            "images 2 and 7 have one file_name, 'b.png'; give each its own",
        ),
        "images of one name, written otherwise": (
            *("images", 0, "file_name", "./b.png"),
            "images 2 and 7 have one file_name, './b.png'; give each its own",
        ),
        "name that climbs": ("images", 0, "file_name", "../x/a.png", "image 7: file_name '../x/a.png' leads out"),
        "absolute name": ("images", 0, "file_name", "/etc/passwd", "image 7: file_name '/etc/passwd' leads out of"),
        "folder's name": ("images", 0, "file_name", ".", "names 1 images that are not in"),
        "name of zeros": ("images", 0, "file_name", "a\0.png", "images.0.file_name: must be the name of a file"),
        "name of control signs": ("images", 0, "file_name", "\x1b[2J\n.png", r"the first '\x1b[2J\n.png'"),
        "name that no disk takes": ("images", 0, "file_name", "\ud800.png", "format: Invalid JSON: "),
        "name that is too long": ("images", 0, "file_name", "a" * 9000, "names 1 images that are not in"),
        "number as name": ("images", 0, "file_name", 7, "images.0.file_name=7: input should be a valid string"),
        "no width": ("images", 0, "width", None, "images.0.width=None: input should be a valid integer"),
        "no height": ("images", 0, "height", 0, "images.0.height=0: input should be greater than 0"),
        "other width": (
            *("images", 0, "width", 31),
            "a.png: the image has 30 x 20 pixels, and its annotations are made for 31 x 20",
        ),
        "orphan": ("annotations", 0, "image_id", 8, "annotation 10: image_id 8 is no image's id"),
        "orphan as text": ("annotations", 0, "image_id", "7", "annotations.0.image_id='7': input should be a valid"),
        "list as image": ("annotations", 0, "image_id", [7], "annotations.0.image_id=[7]: input should be a valid"),
        "other category": ("annotations", 0, "category_id", 4, "annotation 10: category_id 4 is no category's id"),
        "category as text": ("annotations", 0, "category_id", "3", "annotations.0.category_id='3': input should be a"),
        "categories of one id": ("categories", 0, "id", 3, "category 3 is there twice; give each its own id"),
        "category id as text": ("categories", 0, "id", "5", "categories.0.id='5': input should be a valid integer"),
        "crowd as text": ("annotations", 0, "iscrowd", "0", "annotations.0.iscrowd='0': input should be 0 or 1"),
        "crowd as list": ("annotations", 0, "iscrowd", [], "annotations.0.iscrowd=[]: input should be 0 or 1"),
        "huge id": ("annotations", 0, "image_id", 10**400, f"annotation 10: image_id 1{'0' * 39} ... is no image's id"),
    }
    | {
        f"box {box}": ("annotations", 0, "bbox", box, f"annotations.0.bbox{message}")
        for box, message in (
            ([float("nan"), 2, 5, 6], ".0=nan: input should be less than 1000000000"),
            ([1, 2, float("inf"), 6], ".2=inf: input should be less than 1000000000"),
            ([1, 2, -5, 6], ".2=-5: input should be greater than or equal to 0"),
            ([1, 2, 5, -0.1], ".3=-0.1: input should be greater than or equal to 0"),
            ([1, 2, 5], ".3: must be given"),
            ([1, 2, 5, True], ".3=True: input should be a valid number"),
            (["1", 2, 5, 6], ".0='1': input should be a valid number"),
            ([1, 2, 5, 1e30], ".3=1e+30: input should be less than 1000000000"),
            (None, "=None: input should be a valid array"),
            ("1256", "='1256': "),
        )
    }
    | {
        f"outside {box}": (
            *("annotations", 0, "bbox", box),
            f"annotation 10: bbox {[float(side) for side in box]} lies outside of its image of 30 x 20 pixels",
        )
        for box in ([40, 2, 5, 6], [1, 21, 5, 6], [-9, 2, 5, 6], [1, -9, 5, 6])
    }
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_line(coco, fault):
    kind, place, field, value, message = FAULTS[fault]
    read = annotated()
    read[kind][place][field] = value
    path = coco / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(read))
    with pytest.raises(ConfigError) as refusal:
        load_scenes(SPEC)
    text = str(refusal.value)
    assert message in text
    assert text.startswith(str(coco / "val2017" if fault == "other width" else path))
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        ("", "Invalid JSON: EOF"),
        ("\xff", "Invalid JSON: "),
        ('{"images": ' + "9" * 5000 + "}", "Invalid JSON: number out of range"),
        ("[]", "Input should be an object"),
        ("{}", "categories: must be given"),
        ('{"categories": [1]}', "categories.0=1: input should be an object"),
    ],
    ids=["depth", "empty", "bytes", "digits", "list", "nothing", "numbers"],
)
def test_what_is_no_annotation_file(coco, text, message):
    path = coco / "annotations" / "instances_val2017.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as refusal:
        load_scenes(SPEC)
    assert str(refusal.value).startswith(f"{path}: not annotations in COCO's format: {message}")
    assert "\n" not in str(refusal.value)


def test_a_file_without_end_is_not_read(coco):
    path = coco / "annotations" / "instances_val2017.json"
    os.truncate(path, 2**33)
    with pytest.raises(ConfigError, match="has 8589934592 bytes, and at most 4294967296 are read"):
        load_scenes(SPEC)


@pytest.mark.parametrize("link", ["a.png", "sub"])
def test_a_link_out_of_the_folder_is_refused_and_a_folder_that_is_one_is_not(coco, tmp_path, link):
    (coco / "val2017").rename(tmp_path / "elsewhere")
    (coco / "val2017").symlink_to(tmp_path / "elsewhere")
    assert int(load_scenes(SPEC).test.image(1).max()) == 7
    secret = tmp_path / "secret"
    secret.mkdir()
    (tmp_path / "elsewhere" / "a.png").rename(secret / "a.png")
    read = annotated()
    if link == "sub":
        (tmp_path / "elsewhere" / "sub").symlink_to(secret)
        read["images"][0]["file_name"] = "sub/a.png"
    else:
        (tmp_path / "elsewhere" / "a.png").symlink_to(secret / "a.png")
    (coco / "annotations" / "instances_val2017.json").write_text(json.dumps(read))
    with pytest.raises(ConfigError, match="image 7: file_name '.*a.png' leads out of"):
        load_scenes(SPEC)


def turn(coco, part):
    exif = Image.Exif()
    exif[274] = 6
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:2] = 255
    Image.fromarray(pixels).save(coco / f"{part}2017" / "a.png", exif=exif)


def test_boxes_are_those_of_the_upright_image(coco):
    turn(coco, "val")
    read = annotated()
    read["images"][0] |= {"width": 20, "height": 30}
    (coco / "annotations" / "instances_val2017.json").write_text(json.dumps(read))
    image = load_scenes(SPEC).test.image(1)
    assert image.shape == (3, 30, 20)
    assert torch.equal(image[0].float().mean(0) > 0, torch.arange(20) >= 18), "the upper edge has become the right one"


def test_boxes_of_the_image_before_it_is_turned_are_refused(coco):
    turn(coco, "val")
    with pytest.raises(ConfigError) as refusal:
        load_scenes(SPEC)
    assert str(refusal.value) == (
        f"{coco / 'val2017' / 'a.png'}: the image has 20 x 30 pixels, and its annotations are made for 30 x 20; EXIF "
        "turns it, and the boxes must be those of the upright image"
    )


def test_an_image_that_changes_its_size_later_is_refused(coco):
    scenes = load_scenes(SPEC).train
    Image.new("RGB", (31, 20)).save(coco / "train2017" / "b.png")
    with pytest.raises(ConfigError, match="the image has 31 x 20 pixels, and its annotations are made for 30 x 20"):
        scenes.image(0)


def test_the_digest_says_what_it_covers_and_knows_annotations_names_and_sizes(coco):
    first = load_scenes(SPEC).digest
    assert re.fullmatch(r"annotations:[0-9a-f]{16} names\+sizes:[0-9a-f]{16}", first)
    assert load_scenes(SPEC).digest == first
    with (coco / "train2017" / "b.png").open("ab") as file:
        file.write(b"more")
    second = load_scenes(SPEC).digest
    assert [one == two for one, two in zip(first.split(), second.split(), strict=True)] == [True, False]
    (coco / "annotations" / "instances_train2017.json").write_text(json.dumps(annotated(), indent=1))
    third = load_scenes(SPEC).digest
    assert [one == two for one, two in zip(second.split(), third.split(), strict=True)] == [False, True]
