"""ImageNet-1k as files."""

from __future__ import annotations

from typing import Final

from lightning_bam.config import ConfigError, ImageNet, data_dir
from lightning_bam.config.dataset import class_names
from lightning_bam.data.image_files import ImageFiles, listing
from lightning_bam.data.views import Cropped

NORMAL: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green and blue in units of 0..1, as in the authors' script and torchvision."""


def imagenet(spec: ImageNet) -> ImageFiles:
    """Return `<data dir>/imagenet/{train,val}/<class>/<image>`.

    Raises:
        ConfigError: a folder is missing or holds other than 1,000 class folders, a class has no image, or train and
            val have other classes.

    """
    root = data_dir() / "imagenet"
    for part in ("train", "val"):
        folder = root / part
        there = len(class_names(folder)) if folder.is_dir() else None
        if there != spec.classes:
            found = f"no {folder}" if there is None else f"{folder} holds {there} class folders, not {spec.classes}"
            raise ConfigError(
                f"ImageNet: {found}; put the 1,281,167 train images at {root}/train/<class>/<image>.JPEG and the "
                f"50,000 validation images at {root}/val/<class>/<image>.JPEG (classes n01440764 ...), or set BAM_DATA "
                f"to the folder that holds 'imagenet'"
            )
    (train, classes), (val, others) = (listing(root / part, "ImageNet") for part in ("train", "val"))
    if only := sorted(set(classes) ^ set(others)):
        has, lacks = ("train", "val") if only[0] in classes else ("val", "train")
        raise ConfigError(
            f"ImageNet: {has} has a class folder {only[0]!r} and {lacks} has none; both must hold the same"
        )
    return ImageFiles(train, val, Cropped(spec.resolution), NORMAL)
