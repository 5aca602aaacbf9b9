"""Public datasets read through torchvision from the data directory, downloaded into it if there is a network."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lightning_bam.config import ConfigError, data_dir
from lightning_bam.data.download import fetch
from lightning_bam.data.images import Images, in_memory


def cifar(classes: int) -> Images:
    """Return CIFAR-10 or CIFAR-100, `(N, 3, 32, 32)`; ConfigError where files are missing and cannot be downloaded."""
    from torchvision import datasets

    cls = datasets.CIFAR10 if classes == 10 else datasets.CIFAR100
    root = data_dir()
    archive = root / cls.filename

    def both(**download: bool) -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)  # CIFAR's pickles are old
            return [cls(root, train=train, **download) for train in (True, False)]

    missing = f"CIFAR-{classes} is not in {root}: put {archive} there, packed or unpacked"
    parts = _present(both, None if archive.exists() else cls.url, missing)
    images = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in parts]
    labels = [torch.tensor(part.targets) for part in parts]
    return in_memory(images[0], labels[0], images[1], labels[1])


def svhn() -> Images:
    """Return the Street View House Numbers, `(N, 3, 32, 32)`; ConfigError where they cannot be downloaded."""
    from torchvision.datasets import SVHN

    root = data_dir()
    url, train, _ = SVHN.split_list["train"]
    test = SVHN.split_list["test"][1]

    def both(**download: bool) -> list[Any]:
        return [SVHN(root, split=split, **download) for split in ("train", "test")]

    parts = _present(both, url, f"SVHN is not in {root}: put {root / train} and {root / test} there")
    images = [torch.from_numpy(np.ascontiguousarray(part.data)) for part in parts]
    labels = [torch.from_numpy(part.labels) for part in parts]
    return in_memory(images[0], labels[0], images[1], labels[1])


def fashion_mnist() -> Images:
    """Return Fashion-MNIST, `(N, 1, 28, 28)`, from the four idx files; ConfigError as for `cifar`."""
    from torchvision.datasets import FashionMNIST

    root = data_dir()
    raw = root / "FashionMNIST" / "raw"
    packed = [name for name, _ in FashionMNIST.resources]

    def both(**download: bool) -> list[Any]:
        try:
            return [FashionMNIST(root, train=train, **download) for train in (True, False)]
        except (AssertionError, IndexError, KeyError, ValueError) as error:
            raise RuntimeError(f"the files in {raw} are not whole") from error

    missing = (
        f"Fashion-MNIST is not in {raw}: put {', '.join(packed)} there, unpacked (Debian's package "
        "dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist)"
    )
    train, test = _present(both, FashionMNIST.mirrors[0] + packed[0], missing)
    for part in (train, test):
        labels = part.targets
        if part.data.shape != (len(labels), 28, 28) or not len(labels) or labels.max() > 9:
            raise ConfigError(f"the files in {raw} are not Fashion-MNIST; fetch them again")
    return in_memory(train.data[:, None], train.targets, test.data[:, None], test.targets)


def _present(both: Callable[..., list[Any]], url: str | None, missing: str) -> list[Any]:
    """Return torchvision's train and test set, downloaded where its files are not there or not whole."""
    try:
        return both()
    except RuntimeError:
        fetch(lambda: both(download=True), data_dir(), url, missing)
        return both()
