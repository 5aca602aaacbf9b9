"""Datasets as data: what is classified, its shape `(C, H, W)` and its number of classes, without loading it."""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from lightning_bam.config.spec import ConfigError, Part, spec


def data_dir() -> Path:
    """Return where downloaded or user-provided data lies: `$BAM_DATA`, else `data` in the working directory."""
    return Path(os.environ.get("BAM_DATA") or "data").absolute()


def visible(name: str) -> bool:
    """Return whether a file or folder of this name is the user's own: none that a notebook, Finder or git leaves."""
    return not name.startswith(".") and name != "__MACOSX"


def class_names(folder: Path) -> list[str]:
    """Return the sorted names of the class folders in `folder`; hidden ones (`.ipynb_checkpoints`) are none."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and visible(entry.name))


Count = Annotated[int, Field(ge=2)] | None
"""How many of a data set's train images are trained on; None for all.

They are the same for every row, seed and machine: the first of one fixed order, in which every class comes once and
then as often as it does in the data set. So each class keeps its share to within an image, and fewer are part of more.
The normalisation is theirs. The scored images stay what they are.
"""


class DatasetSpec(Part):
    """Labelled images as data. One of your own says what they are, and how they are loaded:

        @spec
        class MyImages(DatasetSpec):
            classes = 3
            shape = (3, 48, 64)

            def load(self):
                return train_images, train_labels, test_images, test_labels

    Either of `classes` and `shape` may be a property.
    """

    slot: ClassVar[str] = "dataset"
    idles: ClassVar[frozenset[str]] = frozenset()

    @property
    def classes(self) -> int:
        """Number of classes."""
        raise NotImplementedError(f"{type(self).__name__} does not say its classes")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape `(C, H, W)`."""
        raise NotImplementedError(f"{type(self).__name__} does not say its shape")

    def load(self) -> Any:
        """Return train images, their labels, test images and their labels.

        Images are tensors or arrays `(N, C, H, W)` uint8 and labels `(N,)` whole numbers from 0 to `classes` - 1; or
        images are a list of paths, which are decoded, fitted to `shape`, when they are used.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method load(self)")


@spec
class ClutteredDigits(DatasetSpec):
    """Handwritten digits in clutter, embedded: the protocol of Mnih et al. (2014) on scikit-learn's real digits.

    Each image is a `(3, size, size)` canvas that holds one digit, 16 pixels high, in a random colour at a random
    place over `fragments` 8x8 pieces of other digits. Train and test are made of disjoint digits, 1,297 and 500 of
    them. `seed` decides the images, not the training.
    """

    kind: ClassVar[str] = "cluttered_digits"
    size: Annotated[int, Field(ge=20, le=256)] = 24
    fragments: Annotated[int, Field(ge=0, le=64)] = 4
    train: Annotated[int, Field(ge=10)] = 6000
    test: Annotated[int, Field(ge=10)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0
    classes: ClassVar[int] = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape `(C, H, W)`."""
        return (3, self.size, self.size)


@spec
class Digits(DatasetSpec):
    """The 1,797 plain 8x8 handwritten digits of scikit-learn, embedded; 1,297 train, 500 test."""

    kind: ClassVar[str] = "digits"
    train: Count = None
    classes: ClassVar[int] = 10
    shape: ClassVar[tuple[int, int, int]] = (1, 8, 8)


@spec
class CIFAR10(DatasetSpec):
    """CIFAR-10, 50,000 train and 10,000 test images."""

    kind: ClassVar[str] = "cifar10"
    train: Count = None
    classes: ClassVar[int] = 10
    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)


@spec
class CIFAR100(DatasetSpec):
    """CIFAR-100, 50,000 train and 10,000 test images."""

    kind: ClassVar[str] = "cifar100"
    train: Count = None
    classes: ClassVar[int] = 100
    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)


@spec
class FashionMNIST(DatasetSpec):
    """Fashion-MNIST, 60,000 train and 10,000 test images."""

    kind: ClassVar[str] = "fashion_mnist"
    train: Count = None
    classes: ClassVar[int] = 10
    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)


@spec
class SVHN(DatasetSpec):
    """Street View House Numbers, cropped digits, 73,257 train and 26,032 test images."""

    kind: ClassVar[str] = "svhn"
    train: Count = None
    classes: ClassVar[int] = 10
    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)


@spec
class ImageFolder(DatasetSpec):
    """Any `<data dir>/<name>/{train,test}/<class>/<image>`, but hidden ones, fitted to `(3, height, width)`.

    Where there is no `test`, `val` is scored. With `split` there is neither: that share of each class of
    `<data dir>/<name>/<class>/<image>` is trained on, the same whatever the run's seed, and the rest is scored.
    """

    kind: ClassVar[str] = "image_folder"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    height: Annotated[int, Field(ge=8)] = 64
    width: Annotated[int, Field(ge=8)] = 64
    train: Count = None
    split: Annotated[float, Field(gt=0, lt=1)] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape `(C, H, W)`."""
        return (3, self.height, self.width)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the classes of train and test, or with `split` of both; ConfigError where they are not so."""
        home = data_dir() / self.name
        train, test, val = (home / part for part in ("train", "test", "val"))
        if self.split is None:
            return train, val if val.is_dir() and not test.is_dir() else test
        if apart := next((part for part in (train, test, val) if part.is_dir()), None):
            raise ConfigError(f"dataset.split={self.split:g}: {apart} is split off already; leave split out")
        return (home,)

    @property
    def classes(self) -> int:
        """Number of class folders to train on; ConfigError where there are fewer than two."""
        train = self.folders[0]
        if not train.is_dir():
            raise ConfigError(
                f"image folder {self.name!r}: no {train}; put images at {train}/<class>/<image> and the same under "
                f"{train.parent / 'test'} or {train.parent / 'val'}, or all at {train.parent}/<class>/<image> and say "
                f"split=0.8, or set BAM_DATA to the folder that holds {self.name!r}"
            )
        names = class_names(train)
        if len(names) < 2:
            has = f"one class folder, {names[0]!r}" if names else "no class folder"
            raise ConfigError(f"image folder {self.name!r}: {train} holds {has}; a classifier needs two or more")
        return len(names)


@spec
class ImageNet(DatasetSpec):
    """ImageNet-1k (ILSVRC 2012), 1,281,167 train and 50,000 validation images, as the authors' script trains on it.

    Read from `<data dir>/imagenet/{train,val}/<class>/<image>`; class `i` is the `i`-th of the 1,000 sorted folder
    names, which is torchvision's order. Train images are random crops, scaled to `(3, resolution, resolution)`; test
    images are scaled so that their short side is `resolution` x 256 / 224, and their centre is kept.

    The authors' is `Recipe(epochs=100, batch_size=256, nesterov=False, weight_decay=1e-4, milestones=(0.3, 0.6, 0.9),
    gamma=0.1)`; it reports the best epoch, this project the last.
    """

    kind: ClassVar[str] = "imagenet"
    resolution: Annotated[int, Field(ge=8)] = 224
    train: Count = None
    classes: ClassVar[int] = 1000
    idles: ClassVar[frozenset[str]] = frozenset({"recipe.crop_padding"})

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape `(C, H, W)`."""
        return (3, self.resolution, self.resolution)
