"""Idx files, the format of MNIST and its relatives, packed or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from lightning_bam.config import ConfigError

MOST_BYTES: Final = 2**28
"""Bytes of the largest file that is read; the 60,000 train images take 47 MB."""


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
        with source.open("rb") if source == path else gzip.open(source) as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or head[3] > 4:
                raise damaged
            shape = struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
            size = math.prod(shape)
            if size > MOST_BYTES:
                raise damaged
            data = file.read(size + 1)  # and no more: what is packed may be any size unpacked
    except (EOFError, struct.error, gzip.BadGzipFile, zlib.error) as error:
        raise damaged from error
    if len(data) != size:
        raise damaged
    return torch.from_numpy(np.frombuffer(data, np.uint8).reshape(shape).copy())
