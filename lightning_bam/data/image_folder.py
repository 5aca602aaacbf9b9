"""Folders of image files: anyone's own, decoded once into memory if they fit, and ImageNet-1k."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from lightning_bam.config import ConfigError, ImageFolder, ImageNet, data_dir
from lightning_bam.config.dataset import class_names
from lightning_bam.data.image_files import ImageFiles, Listing, decode, listing
from lightning_bam.data.images import Images, fixed_order, in_memory
from lightning_bam.data.views import Cropped, Fitted

MOST_BYTES: Final = 8 * 2**30
"""What train and test may take in memory together; more than that is streamed."""
NORMAL: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green and blue in units of 0..1, as in the authors' script and torchvision."""


def image_folder(spec: ImageFolder) -> Images | ImageFiles:
    """Return `<data dir>/<name>/{train,test}/<class>/<image>`, or what `split` makes of it, as `(N, 3, height, width)`.

    More than 8 GiB of them stay on the disk and are decoded when they are used. The batches are the same, but for mean
    and deviation, which are then those of 4,096 train images. ConfigError for files that are missing or do not fit.
    """
    name = f"image folder {spec.name!r}"
    train, test = _listings(spec.folders, name) if spec.split is None else _split(spec, name)
    assert spec.classes  # which refuses a single one
    view = Fitted(spec.height, spec.width)
    files = ImageFiles(train, test, view).part(spec.train)
    if (files.count + files.scored_count) * 3 * spec.height * spec.width > MOST_BYTES:
        return files
    images = decode([*files.train.paths(), *test.paths()], view)
    return in_memory(images[: files.count], files.labels, images[files.count :], test.labels)


def imagenet(spec: ImageNet) -> ImageFiles:
    """Return `<data dir>/imagenet/{train,val}/<class>/<image>`; ConfigError where they are not 1,000 equal classes."""
    root = data_dir() / "imagenet"
    for folder in (root / "train", root / "val"):
        count = len(class_names(folder)) if folder.is_dir() else None
        if count != spec.classes:
            state = f"no {folder}" if count is None else f"{folder} holds {count} class folders, not {spec.classes}"
            raise ConfigError(
                f"ImageNet: {state}; put the 1,281,167 train images at {root}/train/<class>/<image>.JPEG and the "
                f"50,000 validation images at {root}/val/<class>/<image>.JPEG (classes n01440764 ...), or set BAM_DATA "
                f"to the folder that holds 'imagenet'"
            )
    train, val = _listings((root / "train", root / "val"), "ImageNet")
    return ImageFiles(train, val, Cropped(spec.resolution), NORMAL).part(spec.train)


def _listings(folders: Sequence[Path], name: str) -> list[Listing]:
    """Return the images in two folders, whose class folders must be the same."""
    listings, classes = zip(*(listing(folder, name) for folder in folders), strict=True)
    if only := sorted(set(classes[0]) ^ set(classes[1])):
        has, lacks = folders if only[0] in classes[0] else reversed(folders)
        raise ConfigError(
            f"{name}: {has.name} has a class folder {only[0]!r} and {lacks.name} has none; both must hold the same "
            "class folders"
        )
    return list(listings)


def _split(spec: ImageFolder, name: str) -> list[Listing]:
    """Return the share of each class that is trained on, and the rest; ConfigError where a class has none of either."""
    assert spec.split is not None
    (folder,) = spec.folders
    whole, classes = listing(folder, name)
    train = torch.zeros(len(whole), dtype=torch.bool)
    order = fixed_order(whole.labels)
    for label, each in enumerate(classes):
        of_class = order[whole.labels[order] == label]
        count = round(spec.split * len(of_class))
        if not 0 < count < len(of_class):
            raise ConfigError(
                f"dataset.split={spec.split:g}: of the {len(of_class)} images of {each!r} none is left to "
                f"{'score' if count else 'train on'}; add images, or take another share"
            )
        train[of_class[:count]] = True
    return [whole.subset(train), whole.subset(~train)]
