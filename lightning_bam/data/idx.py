"""Idx files, the format of MNIST and its relatives, packed or not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError


def _packed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def present(path: Path) -> bool:
    """Return whether `path`, or `path` with `.gz` added, is a file."""
    return path.is_file() or _packed(path).is_file()


def read_idx(path: Path) -> Tensor:
    """Read an idx file of bytes, or `path` with `.gz` added if there is no such file.

    Format: two zero bytes, 8 for uint8, the number of dimensions, each as a big-endian int32, the data in C order
    (Y. LeCun's MNIST page).

    Raises:
        ConfigError: it is not an idx file of bytes, or not whole.

    """
    source = path if path.is_file() else _packed(path)
    damaged = ConfigError(f"{source} is not a whole idx file of bytes; fetch it again")
    try:
        data = source.read_bytes()
        data = data if source == path else gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged from error
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise damaged
    start = 4 + 4 * data[3]
    shape = np.frombuffer(data[4:start][: len(data[4:start]) // 4 * 4], ">i4").tolist()
    if len(shape) != data[3] or len(data) - start != np.prod(shape):
        raise damaged
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy())
