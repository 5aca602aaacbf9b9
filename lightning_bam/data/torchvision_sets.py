"""Public datasets read through torchvision from the data directory, downloaded into it where there is a network."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError, data_dir
from lightning_bam.data.download import fetch
from lightning_bam.data.images import Images, gather

FASHION_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def cifar(classes: int) -> Images:
    """Return CIFAR-10 or CIFAR-100, `(N, 3, 32, 32)`.

    Raises:
        ConfigError: the files are not there and cannot be downloaded.

    """
    from torchvision import datasets

    cls = datasets.CIFAR10 if classes == 10 else datasets.CIFAR100
    root = data_dir()
    missing = f"CIFAR-{classes} is not in {root}: put {root / cls.filename} there, as is or extracted"

    def read(download: bool) -> Images:
        parts = [cls(root, train=train, download=download) for train in (True, False)]
        tensors = [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous() for part in parts]
        labels = [torch.tensor(part.targets) for part in parts]
        return gather(tensors[0], labels[0], tensors[1], labels[1])

    return _read(read, root, cls.url, missing, [root / cls.filename])


def svhn() -> Images:
    """Return the cropped Street View House Numbers, `(N, 3, 32, 32)`.

    Raises:
        ConfigError: the files are not there and cannot be downloaded.

    """
    from torchvision import datasets

    root = data_dir()
    files = [root / datasets.SVHN.split_list[split][1] for split in ("train", "test")]
    missing = f"SVHN is not in {root}: put {files[0]} and {files[1].name} there"

    def read(download: bool) -> Images:
        parts = [datasets.SVHN(root, split=split, download=download) for split in ("train", "test")]
        tensors = [torch.from_numpy(np.ascontiguousarray(part.data)) for part in parts]
        labels = [torch.from_numpy(part.labels) for part in parts]
        return gather(tensors[0], labels[0], tensors[1], labels[1])

    return _read(read, root, datasets.SVHN.split_list["train"][0], missing, [])


def fashion_mnist() -> Images:
    """Return Fashion-MNIST, `(N, 1, 28, 28)`, from the four idx files as they are distributed or unpacked.

    Raises:
        ConfigError: the files are not there and cannot be downloaded.

    """
    from torchvision import datasets

    root = data_dir()
    raw = root / "FashionMNIST" / "raw"
    missing = (
        f"Fashion-MNIST is not in {raw}: put {', '.join(f'{name}.gz' for name in FASHION_FILES)} there, packed or "
        f"unpacked (Debian's package dataset-fashion-mnist has them under /usr/share)"
    )

    def read(download: bool) -> Images:
        if download:
            datasets.FashionMNIST(root, download=True)
        images, labels, test, test_labels = (idx(raw / name) for name in FASHION_FILES)
        return gather(images[:, None], labels.long(), test[:, None], test_labels.long())

    return _read(read, root, datasets.FashionMNIST.mirrors[0] + f"{FASHION_FILES[1]}.gz", missing, [])


def idx(path: Path) -> Tensor:
    """Read an idx file of bytes, or `path` + `.gz` if there is no such file.

    Source: the format's description at the end of LeCun's MNIST page: two zero bytes, 8 for uint8, the number of
    dimensions, each dimension as a big-endian int32, the data.

    Raises:
        FileNotFoundError: neither file is there.
        ConfigError: it is not an idx file of bytes, or is cut short.

    """
    packed = path.with_name(path.name + ".gz")
    data = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    rank = data[3] if data[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(data[4 : 4 + 4 * rank], ">i4").tolist()
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * rank) if rank else np.empty(0, np.uint8)
    if not rank or len(shape) != rank or len(body) != np.prod(shape):
        raise ConfigError(f"{path if path.exists() else packed} is not a whole idx file of bytes: fetch it again")
    return torch.from_numpy(body.reshape(shape).copy())


def _read(read: Callable[[bool], Images], root: Path, url: str, missing: str, archives: list[Path]) -> Images:
    """Read what is there; else unpack or download it, and read that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, on CIFAR's old pickles
        try:
            return read(False)
        except (RuntimeError, FileNotFoundError):
            pass
        images: list[Any] = []
        fetch(lambda: images.append(read(True)), root, url, missing)
        return images[0]
