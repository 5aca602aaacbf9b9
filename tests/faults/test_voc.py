"""A folder in VOC's format: what is whole is read to the pixel, and each fault is told in one line with its file."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_bam.config import ConfigError, VOCDetection
from lightning_bam.detection.data import load_scenes

SPEC = VOCDetection()
DOG = "<object><name>dog</name><bndbox><xmin>3</xmin><ymin>1</ymin><xmax>7</xmax><ymax>20</ymax></bndbox></object>"
HARD = (
    "<object><name>aeroplane</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>"
    "<bndbox><xmax>29.5</xmax><ymax>11</ymax><xmin>2</xmin><ymin>4</ymin></bndbox>"
    "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>"
)
LISTS = {
    "VOC2007/ImageSets/Main/trainval.txt": "000012\n000005\n",
    "VOC2012/ImageSets/Main/trainval.txt": "2008_000002\n",
    "VOC2007/ImageSets/Main/test.txt": "000001\n",
}


def annotated(*objects, width="30", height="20"):
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>x.jpg</filename>{size}{''.join(objects)}</annotation>\n"


@pytest.fixture
def devkit(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    root = tmp_path / "VOCdevkit"
    for name, text in LISTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for place, objects, grey in (
        ("VOC2007/000012", (DOG, HARD), 12),
        ("VOC2007/000005", (), 5),
        ("VOC2012/2008_000002", (DOG.replace("dog", "tvmonitor"),), 200),
        ("VOC2007/000001", (HARD, DOG), 1),
    ):
        year, name = place.split("/")
        for folder in ("JPEGImages", "Annotations"):
            (root / year / folder).mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), grey, np.uint8)).save(root / year / "JPEGImages" / f"{name}.jpg")
        (root / year / "Annotations" / f"{name}.xml").write_text(annotated(*objects))
    return root


def test_what_is_whole_is_read(devkit):
    sets = load_scenes(SPEC)
    assert [int(sets.train.image(index).max()) for index in range(3)] == [12, 5, 200], "in the order of the lists"
    assert sets.train.image(0).shape == (3, 20, 30)
    first, empty, last = sets.train.targets
    assert first.boxes.tolist() == [[2, 0, 7, 20], [1, 3, 29.5, 11]], "VOC's first pixel is 1, its last is in the box"
    assert first.labels.tolist() == [12, 1]
    assert first.crowd.tolist() == [False, True], "difficult"
    assert (empty.boxes.shape, empty.labels.tolist()) == ((0, 4), [])
    assert last.labels.tolist() == [20]
    assert len(sets.test) == 1
    assert sets.test.targets[0].labels.tolist() == [1, 12]
    assert torch.equal(sets.mean, torch.tensor([0.485, 0.456, 0.406]))


def test_a_box_is_cut_at_the_edges(devkit):
    text = annotated(DOG.replace(">3<", ">0<").replace(">20<", ">25<"))
    (devkit / "VOC2007/Annotations/000001.xml").write_text(text)
    assert load_scenes(SPEC).test.targets[0].boxes.tolist() == [[0, 0, 7, 20]]


EXPANDING = '<!DOCTYPE a [<!ENTITY b "dog"><!ENTITY c SYSTEM "file:///etc/passwd">]>\n'
FAULTS = {
    "no XML": ("<annotation>", "is no XML: no element found: line 1, column 12"),
    "two roots": ("<annotation/><a/>", "is no XML: junk after document element: line 1, column 13"),
    "nothing": ("", "is no XML: no element found: line 1, column 0"),
    "entities": (EXPANDING + annotated(DOG.replace("dog", "&b;")), "has a document type (<!DOCTYPE), which no"),
    "an entity of nobody's": (annotated(DOG.replace("dog", "&b;")), "is no XML: undefined entity: line 1, column 117"),
    "another format": ("<html/>", "its outermost element is 'html', must be 'annotation'"),
    "no size": ("<annotation/>", "width: must be given"),
    "no width": (annotated(DOG, width=""), "width='': must be a number"),
    "half a pixel": (annotated(DOG, width="30.5"), "size 30.5 x 20: must be whole pixels, at least 1 x 1"),
    "no pixel": (annotated(DOG, height="0"), "size 30 x 0: must be whole pixels, at least 1 x 1"),
    "unknown class": (annotated(DOG.replace("dog", "do\ng")), r"object 1: name 'do\ng' is none of VOC's 20 classes"),
    "nameless": (annotated(DOG, DOG.replace("<name>dog</name>", "")), "object 2: name '' is none of VOC's 20 classes"),
    "no edge": (annotated(DOG.replace("<xmin>3</xmin>", "")), "object 1 (dog): xmin: must be given"),
    "no number": (annotated(DOG.replace(">3<", ">three<")), "object 1 (dog): xmin='three': must be a number"),
    "nan": (annotated(DOG.replace(">3<", ">nan<")), "object 1 (dog): xmin='nan': must be a number"),
    "endless": (annotated(DOG.replace(">7<", ">1e999<")), "object 1 (dog): xmax='1e999': must be a number"),
    "turned": (annotated(DOG.replace(">3<", ">9<")), "object 1 (dog): bndbox [9.0, 1.0, 7.0, 20.0] has no pixel of"),
    "outside": (annotated(DOG.replace(">3<", ">31<").replace(">7<", ">35<")), "has no pixel of its image of 30 x 20"),
    "half difficult": (
        annotated(HARD.replace("t>1<", "t>0.5<")),
        "object 1 (aeroplane): difficult=0.5: must be 0 or 1",
    ),
    "deep": ("<a>" * 200_000 + "</a>" * 200_000, "has 1400000 bytes, and at most 1048576 are read"),
    "long": (annotated(DOG.replace("dog", "d" * 99_999)), f"object 1: name '{'d' * 39} ... is none of VOC's"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_an_annotation_is_told_in_one_line(devkit, fault):
    text, message = FAULTS[fault]
    path = devkit / "VOC2007/Annotations/000001.xml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_scenes(SPEC)
    said = str(refusal.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainval", "000005\n../../x\n", "{path}, line 2: '../../x' is no name of an image, as 000005"),
        ("trainval", "000005\n\n000005\n", "{path}, line 3: 000005 is there twice"),
        ("trainval", "000007\n", "{path}: names 000007, and there is no {root}/VOC2007/Annotations/000007.xml"),
        ("test", "\n", "{path}: names no image"),
        ("test", "\xff", "{path}: is no text in UTF-8: invalid start byte at byte 0"),
    ],
)
def test_a_fault_of_a_list_is_told_with_its_line(devkit, name, text, message):
    path = devkit / "VOC2007/ImageSets/Main" / f"{name}.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=f"^{re.escape(message.format(path=path, root=devkit))}$"):
        load_scenes(SPEC)


def test_what_is_missing_is_named(devkit):
    listed = devkit / "VOC2012/ImageSets/Main/trainval.txt"
    image = devkit / "VOC2012/JPEGImages/2008_000002.jpg"
    image.unlink()
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{listed}: names 2008_000002, and there is no {image}')}$"):
        load_scenes(SPEC)
    listed.unlink()
    with pytest.raises(ConfigError, match=rf"^dataset\.name=VOCdevkit: no {re.escape(str(listed))}; unpack VOC2007"):
        load_scenes(SPEC)


def test_an_image_of_another_size_is_refused(devkit):
    image = devkit / "VOC2007/JPEGImages/000005.jpg"
    Image.new("RGB", (20, 30)).save(image)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(image))}: the image has 20 x 30 pixels, and its annotat"):
        load_scenes(SPEC)


def test_the_digest_knows_lists_annotations_and_the_names_and_sizes_of_images(devkit):
    digests = [load_scenes(SPEC).digest]
    assert re.fullmatch(r"annotations:[0-9a-f]{16} names\+sizes:[0-9a-f]{16}", digests[0])
    (devkit / "VOC2007/Annotations/000005.xml").write_text(annotated(DOG))
    digests.append(load_scenes(SPEC).digest)
    with (devkit / "VOC2012/JPEGImages/2008_000002.jpg").open("ab") as file:
        file.write(b"more")
    digests.append(load_scenes(SPEC).digest)
    (devkit / "VOC2007/ImageSets/Main/trainval.txt").write_text("000005\n000012\n")
    digests.append(load_scenes(SPEC).digest)
    notes, names = zip(*(digest.split() for digest in digests), strict=True)
    assert [one == two for one, two in pairwise(notes)] == [False, True, False]
    assert [one == two for one, two in pairwise(names)] == [True, False, False]
