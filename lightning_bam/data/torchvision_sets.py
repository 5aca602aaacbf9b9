"""Public datasets read through torchvision from the data directory, downloaded into it if there is a network."""

import gzip
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError, data_dir
from lightning_bam.data.download import fetch
from lightning_bam.data.images import Images, in_memory

MOST_BYTES = 2**28
"""Bytes that are read of an idx file, unpacked; the 60,000 train images take 47 MB."""


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


def _present(both: Callable[..., list[Any]], url: str | None, missing: str) -> list[Any]:
    """Return torchvision's train and test set, downloaded where its files are not there or not whole."""
    try:
        return both()
    except RuntimeError:
        fetch(lambda: both(download=True), data_dir(), url, missing)
        return both()


def fashion_mnist() -> Images:
    """Return Fashion-MNIST, `(N, 1, 28, 28)`, from the four idx files, packed or not; ConfigError as for `cifar`.

    torchvision reads unpacked files only, and unpacks those alone whose checksum it knows.
    """
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import download_url

    root = data_dir()
    raw = root / "FashionMNIST" / "raw"
    sums = dict(FashionMNIST.resources)
    files = [raw / name.removesuffix(".gz") for name in sums]

    def download() -> None:
        raw.mkdir(parents=True, exist_ok=True)
        for name, file in zip(sums, files, strict=True):
            if not present(file):
                with TemporaryDirectory(dir=raw) as new:
                    download_url(FashionMNIST.mirrors[0] + name, new, name, sums[name])
                    Path(new, name).replace(raw / name)

    if not all(map(present, files)):
        missing = (
            f"Fashion-MNIST is not in {raw}: put {', '.join(sums)} there, packed or unpacked "
            f"(Debian's package dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist)"
        )
        fetch(download, root, FashionMNIST.mirrors[0] + next(iter(sums)), missing)
    images, labels, test, test_labels = map(read_idx, files)
    for many, few, file in ((images, labels, files[0]), (test, test_labels, files[2])):
        if many.shape != (len(few), 28, 28) or few.dim() != 1 or not len(few) or few.max() > 9:
            raise ConfigError(f"{file} and the labels beside it are not Fashion-MNIST; fetch them again")
    return in_memory(images[:, None], labels.long(), test[:, None], test_labels.long())


def _packed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def present(path: Path) -> bool:
    """Return whether `path`, or `path` with `.gz` added, is a file."""
    return path.is_file() or _packed(path).is_file()


def read_idx(path: Path) -> Tensor:
    """Read an idx file of bytes (Y. LeCun's MNIST page), or `path` with `.gz` added; ConfigError for one that is none.

    Format: two zero bytes, 8 for uint8, the number of dimensions, each as a big-endian int32, the data in C order.
    """
    source = path if path.is_file() else _packed(path)
    try:
        with source.open("rb") if source == path else gzip.open(source) as file:
            data = np.frombuffer(file.read(MOST_BYTES), np.uint8)
        if data[:3].tolist() != [0, 0, 8]:
            raise ValueError
        head = 4 + 4 * int(data[3])
        return torch.from_numpy(data[head:].reshape(data[4:head].view(">i4").tolist()).copy())
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise ConfigError(f"{source} is not a whole idx file of bytes; fetch it again") from error
