"""Anyone's images: generated PNGs of several shapes."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_bam.config import ConfigError, ImageFolder
from lightning_bam.data import load
from lightning_bam.data.image_files import decode
from lightning_bam.data.views import Fitted


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    for part, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("ant", "bee")):
            folder = tmp_path / "zoo" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                plain(16 + 8 * number, 24, (100 * label, number, 255)).save(folder / f"{number}.png")
    return tmp_path / "zoo"


def plain(height, width, colour):
    return Image.fromarray(np.full((height, width, 3), colour, np.uint8))


ZOO = ImageFolder(name="zoo", height=8, width=12)


def refusal_of(spec):
    with pytest.raises(ConfigError) as refusal:
        load(spec)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_images_labels_and_order(root):
    images = load(ZOO)
    assert images.train.shape == (6, 3, 8, 12)
    assert images.test.shape == (4, 3, 8, 12)
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.test_labels.tolist() == [0, 0, 1, 1]
    for part, count in ((images.train, 3), (images.test, 2)):
        for index, image in enumerate(part):
            expected = torch.tensor([100 * (index // count), index % count, 255])
            assert torch.equal(image, expected[:, None, None].expand(3, 8, 12).to(torch.uint8))


def test_an_image_of_the_wanted_size_is_kept_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    images = decode([tmp_path / "x.png"], Fitted(8, 12))
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize(("height", "width"), [(20, 60), (60, 20), (200, 600)])
def test_the_shorter_edge_is_fitted_and_the_centre_kept(tmp_path, height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = (10, 20, 30)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    images = decode([tmp_path / "x.png"], Fitted(10, 10))
    assert images[0, :, 1:-1, 1:-1].flatten(1).unique(dim=1).flatten().tolist() == [10, 20, 30]


def test_grey_images_become_colour(tmp_path):
    Image.fromarray(np.full((9, 9), 77, np.uint8)).save(tmp_path / "x.png")
    images = decode([tmp_path / "x.png"], Fitted(8, 8))
    assert (images == 77).all()


def test_no_folder(root):
    missing = root.parent / "farm" / "train"
    assert refusal_of(ImageFolder(name="farm")) == (
        f"image folder 'farm': no {missing}; put images at {missing}/<class>/<image>"
    )


def test_val_is_scored_where_there_is_no_test(root):
    before = load(ZOO)
    (root / "test").rename(root / "val")
    assert torch.equal(load(ZOO).test, before.test)
    (root / "test").mkdir()
    (root / "val" / "bee").rename(root / "test" / "bee")
    assert refusal_of(ZOO).startswith("image folder 'zoo': train has a class folder 'ant' and test has none")


def test_a_folder_that_is_not_split(root):
    """Of each class round(0.6 n) images are trained on, and no other; the rest is scored."""
    for number in range(3, 7):
        plain(16, 24, (100, number, 255)).save(root / "train" / "bee" / f"{number}.png")
    for name in ("ant", "bee"):
        (root / "train" / name).rename(root / name)
    split = ImageFolder(name="zoo", height=8, width=12, split=0.6)
    assert refusal_of(split) == f"dataset.split=0.6: {root / 'train'} is split off already; leave split out"
    shutil.rmtree(root / "train")
    shutil.rmtree(root / "test")
    assert split.classes == 2
    images = load(split)
    assert images.train_labels.tolist() == [0] * 2 + [1] * 4
    assert images.test_labels.tolist() == [0] * 1 + [1] * 3
    seen = [(int(image[0, 0, 0]), int(image[1, 0, 0])) for image in (*images.train, *images.test)]
    assert sorted(seen) == [(0, number) for number in range(3)] + [(100, number) for number in range(7)]
    assert seen != sorted(seen), "and not the first ones by name"
    assert load(replace(split, split=0.4)).train_labels.tolist() == [0] * 1 + [1] * 3
    assert load(replace(split, train=3)).train_labels.tolist() == [0, 1, 1]
    assert refusal_of(replace(split, split=0.9)) == (
        "dataset.split=0.9: of the 3 images of 'ant' none is left to score; add images, or take another share"
    )
    assert refusal_of(replace(split, split=0.1)) == (
        "dataset.split=0.1: of the 3 images of 'ant' none is left to train on; add images, or take another share"
    )


def test_no_test_folder(root):
    shutil.rmtree(root / "test")
    assert refusal_of(ZOO) == f"image folder 'zoo': no {root / 'test'}; put images at {root / 'test'}/<class>/<image>"


def test_other_classes_in_test(root):
    (root / "test" / "bee").rename(root / "test" / "wasp")
    assert refusal_of(ZOO) == (
        "image folder 'zoo': train has a class folder 'bee' and test has none; both must hold the same class folders"
    )
    (root / "train" / "bee").rename(root / "train" / "xenops")
    assert refusal_of(ZOO) == (
        "image folder 'zoo': test has a class folder 'wasp' and train has none; both must hold the same class folders"
    )


def test_a_class_without_images(root):
    (root / "train" / "cat").mkdir()
    assert refusal_of(ZOO).startswith(f"image folder 'zoo': {root / 'train'}: Found no valid file for the classes cat.")


def test_an_image_that_is_none(root):
    broken = root / "train" / "bee" / "1.png"
    broken.write_bytes(b"not a picture")
    assert refusal_of(ZOO).startswith(f"cannot read the image {broken}: ")


def test_all_images_that_are_none_are_named_at_once(root):
    broken = [root / "train" / "ant" / "2.png", root / "train" / "bee" / "1.png", root / "test" / "bee" / "0.png"]
    for path in broken:
        path.write_bytes(b"not a picture")
    why = "it is no JPEG, PNG, GIF, BMP, TIFF, WEBP, PPM or PGM"
    assert refusal_of(ZOO) == "cannot read 3 of 10 images: " + "; ".join(f"{path}: {why}" for path in broken)


def test_of_many_images_that_are_none_some_are_named(root, monkeypatch):
    monkeypatch.setattr("lightning_bam.data.image_files.NAMED", 2)
    for path in root.rglob("*.png"):
        path.write_bytes(b"not a picture")
    assert refusal_of(ZOO).startswith(f"cannot read 10 of 10 images: {root / 'train' / 'ant' / '0.png'}: it is no")
    assert refusal_of(ZOO).endswith(" or PGM; and 8 more")


def test_an_image_cut_short(root):
    broken = root / "train" / "bee" / "1.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:2000])
    assert refusal_of(ZOO).startswith(f"cannot read the image {broken}: ")
