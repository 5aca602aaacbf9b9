"""Anyone's images: generated PNGs of several shapes."""

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


def test_no_test_folder(root):
    (root / "test").rename(root / "val")
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


def test_an_image_cut_short(root):
    broken = root / "train" / "bee" / "1.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:2000])
    assert refusal_of(ZOO).startswith(f"cannot read the image {broken}: ")
