"""Folders of small generated images: a stand-in for ImageNet, and anyone's image folder."""

import numpy as np
from PIL import Image


def picture(seed, height, width):
    """Return an image with low frequencies and noise, so that every crop of it differs."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).resize((width, height))
    return Image.fromarray((np.array(coarse) // 2 + rng.integers(0, 128, (height, width, 3))).astype(np.uint8))


def fill(part, classes, count, *, seed=0, suffix="JPEG"):
    """Write `count` images into each of `classes` folders of `part`, of several sizes."""
    for label in range(classes):
        folder = part / f"n{label:08d}"
        folder.mkdir(parents=True)
        for number in range(count):
            this = seed + label * count + number
            picture(this, 11 + this % 7, 13 + this % 5).save(folder / f"{this}.{suffix}")


def fake_imagenet(root, per_class=1):
    """Write 1,000 classes of train and val under `root`/imagenet."""
    fill(root / "imagenet" / "train", 1000, per_class)
    fill(root / "imagenet" / "val", 1000, 1, seed=10_000)
    return root / "imagenet"
