"""Folders of image files: anyone's own, decoded once into memory if they fit, and ImageNet-1k."""

from typing import Final

from lightning_bam.config import ConfigError, ImageFolder, ImageNet, data_dir
from lightning_bam.config.dataset import class_names
from lightning_bam.data.image_files import ImageFiles, Listing, decode, listing
from lightning_bam.data.images import Images, in_memory
from lightning_bam.data.views import Cropped, Fitted

MOST_BYTES: Final = 8 * 2**30
"""What train and test may take in memory together; more than that is streamed."""
NORMAL: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green and blue in units of 0..1, as in the authors' script and torchvision."""


def image_folder(spec: ImageFolder) -> Images | ImageFiles:
    """Return `<data dir>/<name>/{train,test}/<class>/<image>` as `(N, 3, height, width)`.

    More than 8 GiB of them stay on the disk and are decoded when they are used. The batches are the same, but for mean
    and deviation, which are then those of 4,096 train images. ConfigError for files that are missing or do not fit.
    """
    train, test = _listings(spec.name, f"image folder {spec.name!r}", ("train", "test"))
    assert spec.classes  # which refuses a single one
    view = Fitted(spec.height, spec.width)
    if (len(train) + len(test)) * 3 * spec.height * spec.width > MOST_BYTES:
        return ImageFiles(train, test, view)
    images = [decode(list(part.paths()), view) for part in (train, test)]
    return in_memory(images[0], train.labels, images[1], test.labels)


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
    train, val = _listings("imagenet", "ImageNet", ("train", "val"))
    return ImageFiles(train, val, Cropped(spec.resolution), NORMAL)


def _listings(folder: str, name: str, parts: tuple[str, str]) -> list[Listing]:
    """Return both parts of a folder of the data directory, whose class folders must be the same."""
    listings, classes = zip(*(listing(data_dir() / folder / part, name) for part in parts), strict=True)
    if only := sorted(set(classes[0]) ^ set(classes[1])):
        has, lacks = parts if only[0] in classes[0] else reversed(parts)
        raise ConfigError(
            f"{name}: {has} has a class folder {only[0]!r} and {lacks} has none; both must hold the same class folders"
        )
    return list(listings)
