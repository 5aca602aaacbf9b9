"""Idx files, whole and damaged."""

import gzip
import struct
import tracemalloc

import pytest
import torch

from lightning_bam.config import ConfigError
from lightning_bam.data import torchvision_sets
from lightning_bam.data.torchvision_sets import present, read_idx


def idx_bytes(tensor):
    return bytes([0, 0, 8, tensor.dim()]) + struct.pack(f">{tensor.dim()}i", *tensor.shape) + tensor.numpy().tobytes()


VALUES = torch.arange(2 * 3 * 5, dtype=torch.uint8).reshape(2, 3, 5)


@pytest.mark.parametrize("packed", [False, True])
def test_values_and_shape(tmp_path, packed):
    data = idx_bytes(VALUES)
    (tmp_path / ("x.gz" if packed else "x")).write_bytes(gzip.compress(data) if packed else data)
    assert present(tmp_path / "x")
    assert torch.equal(read_idx(tmp_path / "x"), VALUES)


def test_the_unpacked_file_is_preferred(tmp_path):
    (tmp_path / "x").write_bytes(idx_bytes(VALUES))
    (tmp_path / "x.gz").write_bytes(b"")
    assert torch.equal(read_idx(tmp_path / "x"), VALUES)


def test_agrees_with_torchvision(tmp_path):
    from torchvision.datasets.mnist import read_image_file

    (tmp_path / "x").write_bytes(idx_bytes(VALUES))
    assert torch.equal(read_idx(tmp_path / "x"), read_image_file(str(tmp_path / "x")))


def test_absent(tmp_path):
    assert not present(tmp_path / "x")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\x01",
        b"\0\0\x0d\x01\0\0\0\x01\0",
        idx_bytes(VALUES)[:6],
        idx_bytes(VALUES)[:-1],
        idx_bytes(VALUES) + b"\0",
        b"<html>not found</html>",
    ],
)
def test_a_damaged_file_is_named(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as refusal:
        read_idx(path)
    assert str(refusal.value) == f"{path} is not a whole idx file of bytes; fetch it again"


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", gzip.compress(idx_bytes(VALUES), mtime=0)[:-9]], ids=["empty", "other", "torn"]
)
def test_a_damaged_packed_file_is_named(tmp_path, data):
    (tmp_path / "x.gz").write_bytes(data)
    with pytest.raises(ConfigError) as refusal:
        read_idx(tmp_path / "x")
    assert str(refusal.value) == f"{tmp_path / 'x.gz'} is not a whole idx file of bytes; fetch it again"


@pytest.mark.parametrize("shape", [(-2, -15), (1,) * 70, (2**31 - 1,)], ids=["negative", "70 dimensions", "huge"])
def test_a_shape_that_is_none(tmp_path, shape):
    (tmp_path / "x").write_bytes(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + bytes(30))
    with pytest.raises(ConfigError, match="is not a whole idx file of bytes"):
        read_idx(tmp_path / "x")


def test_a_packed_file_is_unpacked_so_far_and_no_further(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision_sets, "MOST_BYTES", 2**20)
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx_bytes(VALUES) + bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(ConfigError, match="is not a whole idx file of bytes"):
        read_idx(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
