"""Anyone's own images: a folder of train and test, decoded once into memory, or each time if they do not fit."""

from __future__ import annotations

from typing import Final

from lightning_bam.config import ConfigError, ImageFolder, data_dir
from lightning_bam.data.image_files import ImageFiles, decode, listing
from lightning_bam.data.images import Images, in_memory
from lightning_bam.data.views import Fitted

MOST_BYTES: Final = 8 * 2**30
"""What train and test may take in memory together; more than that is streamed."""


def image_folder(spec: ImageFolder) -> Images | ImageFiles:
    """Return `<data dir>/<name>/{train,test}/<class>/<image>` as `(N, 3, height, width)`.

    More than 8 GiB of them are left on the disk and decoded when they are seen. The batches are the same, but for
    mean and deviation, which are then those of 4,096 train images.

    Raises:
        ConfigError: a folder is missing or empty, there is one class only, the class folders of test are not train's,
            or an image cannot be read.

    """
    called, root = f"image folder {spec.name!r}", data_dir() / spec.name
    (train, classes), (test, others) = (listing(root / part, called) for part in ("train", "test"))
    if only := sorted(set(classes) ^ set(others)):
        has, lacks = ("train", "test") if only[0] in classes else ("test", "train")
        raise ConfigError(
            f"{called}: {has} has a class folder {only[0]!r} and {lacks} has none; "
            f"both must hold the same class folders"
        )
    assert spec.classes == len(classes)  # which refuses a single one
    if (len(train) + len(test)) * 3 * spec.height * spec.width > MOST_BYTES:
        return ImageFiles(train, test, Fitted(spec.height, spec.width))
    parts = [decode(list(part.paths()), Fitted(spec.height, spec.width)) for part in (train, test)]
    return in_memory(parts[0], train.labels, parts[1], test.labels)
