"""Public datasets, on tiny files in their real formats; nothing is downloaded."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import urllib.error
import urllib.request
import urllib.response
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import datasets

from lightning_bam.config import CIFAR10, CIFAR100, SVHN, ConfigError, FashionMNIST
from lightning_bam.data import load

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("BAM_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_cifar(monkeypatch, folder, cls, key):
    """Write batches of 3 images each as CIFAR's authors did, and teach torchvision their checksums."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    written = {}
    for number, (name, _) in enumerate(cls.train_list + cls.test_list):
        written[name] = rng.integers(0, 256, (3, 3072), dtype=np.uint8), [number, number + 1, number + 2]
        batch = {"data": written[name][0], key: written[name][1]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = folder / cls.meta["filename"]
    meta.write_bytes(pickle.dumps({cls.meta["key"]: [str(i) for i in range(100)]}, protocol=2))
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(cls, part, [[name, md5(folder / name)] for name, _ in getattr(cls, part)])
    monkeypatch.setattr(cls, "meta", cls.meta | {"md5": md5(meta)})
    return written


@pytest.mark.parametrize(
    ("spec", "cls", "key"),
    [(CIFAR10(), datasets.CIFAR10, "labels"), (CIFAR100(), datasets.CIFAR100, "fine_labels")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_cifar(monkeypatch, data, spec, cls, key, packed):
    folder = data / cls.base_folder
    written = write_cifar(monkeypatch, folder, cls, key)
    if packed:
        with tarfile.open(data / cls.filename, "w:gz") as archive:
            archive.add(folder, cls.base_folder)
        monkeypatch.setattr(cls, "tgz_md5", md5(data / cls.filename))
        for file in folder.iterdir():
            file.unlink()
    images = load(spec)
    train = np.concatenate([written[name][0] for name, _ in cls.train_list]).reshape(-1, 3, 32, 32)
    assert np.array_equal(images.train.numpy(), train)
    assert images.train_labels.tolist() == [label for name, _ in cls.train_list for label in written[name][1]]
    name = cls.test_list[0][0]
    assert np.array_equal(images.test.numpy().reshape(3, 3072), written[name][0])
    assert images.test_labels.tolist() == written[name][1]
    assert images.train.is_contiguous()
    assert images.train.shape[1:] == spec.shape
    classes = len(images.labels.unique())
    assert load(replace(spec, train=classes)).count == classes


@pytest.mark.parametrize(
    ("spec", "archive"), [(CIFAR10(), "cifar-10-python.tar.gz"), (CIFAR100(), "cifar-100-python.tar.gz")]
)
def test_cifar_is_missing(data, spec, archive):
    url = datasets.CIFAR10.url if spec == CIFAR10() else datasets.CIFAR100.url
    with pytest.raises(ConfigError) as refusal:
        load(spec)
    assert str(refusal.value) == (
        f"CIFAR-{spec.classes} is not in {data}: put {data / archive} there, packed or unpacked "
        f"(downloading {url} failed: <urlopen error no network in tests>)"
    )


def test_a_damaged_archive(data):
    (data / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    with pytest.raises(ConfigError) as refusal:
        load(CIFAR10())
    assert str(refusal.value) == (
        f"CIFAR-10 is not in {data}: put {data / 'cifar-10-python.tar.gz'} there, packed or unpacked "
        f"(unpacking what is there failed: <urlopen error no network in tests>)"
    )


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_changed_pickle_is_never_unpickled(monkeypatch, data, tmp_path, file):
    folder = data / datasets.CIFAR10.base_folder
    write_cifar(monkeypatch, folder, datasets.CIFAR10, "labels")
    load(CIFAR10())
    (folder / file).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(ConfigError, match="CIFAR-10 is not in .*: put .* there"):
        load(CIFAR10())
    assert not (tmp_path / "ran").exists()


def test_a_changed_archive_is_never_unpacked(monkeypatch, data, tmp_path):
    folder = tmp_path / datasets.CIFAR10.base_folder
    write_cifar(monkeypatch, folder, datasets.CIFAR10, "labels")
    with tarfile.open(data / datasets.CIFAR10.filename, "w:gz") as archive:
        archive.add(folder, "../escaped")
        archive.add(folder, datasets.CIFAR10.base_folder)
    with pytest.raises(ConfigError, match="CIFAR-10 is not in"):
        load(CIFAR10())
    assert not (data / datasets.CIFAR10.base_folder).exists()
    assert not (tmp_path / "escaped").exists()


def test_svhn(monkeypatch, data):
    rng = np.random.default_rng(0)
    splits = {}
    written = {}
    for split, count in (("train", 5), ("test", 3)):
        url, name, _ = datasets.SVHN.split_list[split]
        written[split] = rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        labels = np.array([[10], [1], [9], [10], [2]], np.uint8)[:count]
        scipy.io.savemat(data / name, {"X": written[split], "y": labels})
        splits[split] = [url, name, md5(data / name)]
    monkeypatch.setattr(datasets.SVHN, "split_list", datasets.SVHN.split_list | splits)
    images = load(SVHN())
    assert np.array_equal(images.train.numpy(), written["train"].transpose(3, 2, 0, 1))
    assert np.array_equal(images.test.numpy(), written["test"].transpose(3, 2, 0, 1))
    assert images.train_labels.tolist() == [0, 1, 9, 0, 2]  # the files call the digit zero 10
    assert images.test_labels.tolist() == [0, 1, 9]
    assert images.test_labels.dtype == torch.int64
    assert load(SVHN(train=4)).train_labels.unique().tolist() == [0, 1, 2, 9]


def test_svhn_is_missing(data):
    with pytest.raises(ConfigError) as refusal:
        load(SVHN())
    assert str(refusal.value) == (
        f"SVHN is not in {data}: put {data / 'train_32x32.mat'} and {data / 'test_32x32.mat'} there (downloading "
        f"{datasets.SVHN.split_list['train'][0]} failed: <urlopen error no network in tests>)"
    )


def write_fashion(monkeypatch, folder, packed):
    """Write 7 and 4 images, and teach torchvision the checksums of packed ones."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    written = []
    for name, shape in zip(IDX, [(7, 28, 28), (7,), (4, 28, 28), (4,)], strict=True):
        values = rng.integers(0, 10, shape, dtype=np.uint8)
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + values.tobytes()
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
        written.append(values)
    if packed:
        sums = [(f"{name}.gz", md5(folder / f"{name}.gz")) for name in IDX]
        monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
    return written


@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist(monkeypatch, data, packed):
    raw = data / "FashionMNIST" / "raw"
    train, train_labels, test, test_labels = write_fashion(monkeypatch, raw, packed)
    images = load(FashionMNIST())
    assert np.array_equal(images.train.numpy()[:, 0], train)
    assert np.array_equal(images.test.numpy()[:, 0], test)
    assert images.train_labels.tolist() == train_labels.tolist()
    assert images.test_labels.tolist() == test_labels.tolist()
    assert images.train.shape == (7, 1, 28, 28)
    assert images.train_labels.dtype == torch.int64
    assert load(FashionMNIST(train=6)).count == 6


@pytest.mark.parametrize(
    ("part", "shape", "value"), [(0, (7, 28, 27), 0), (1, (6,), 0), (2, (4, 27, 28), 0), (3, (4,), 10)]
)
def test_files_that_are_not_fashion_mnist(monkeypatch, data, part, shape, value):
    raw = data / "FashionMNIST" / "raw"
    write_fashion(monkeypatch, raw, packed=False)
    head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape)
    (raw / IDX[part]).write_bytes(head + np.full(shape, value, np.uint8).tobytes())
    with pytest.raises(ConfigError) as refusal:
        load(FashionMNIST())
    assert str(refusal.value) == f"the files in {raw} are not Fashion-MNIST; fetch them again"


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", bytes([0, 0, 8, 1, 0, 0, 0, 9, 1, 2])])
def test_a_damaged_file_is_named(monkeypatch, data, content):
    raw = data / "FashionMNIST" / "raw"
    write_fashion(monkeypatch, raw, packed=False)
    (raw / IDX[1]).write_bytes(content)
    with pytest.raises(ConfigError, match=f"Fashion-MNIST is not in {raw}: put "):
        load(FashionMNIST())


def test_fashion_mnist_is_missing(data):
    raw = data / "FashionMNIST" / "raw"
    with pytest.raises(ConfigError) as refusal:
        load(FashionMNIST())
    assert str(refusal.value).startswith(
        f"Fashion-MNIST is not in {raw}: put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
        f"t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz there, unpacked (Debian's package "
        f"dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist) (downloading "
        f"{datasets.FashionMNIST.mirrors[0]}train-images-idx3-ubyte.gz failed: Error downloading train-images"
    )


def test_fashion_mnist_is_downloaded(monkeypatch, data, tmp_path):
    written = write_fashion(monkeypatch, tmp_path / "server", packed=True)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [(tmp_path / "server").as_uri() + "/"])
    monkeypatch.setattr(urllib.request, "urlopen", serve)
    assert np.array_equal(load(FashionMNIST()).test.numpy()[:, 0], written[2])


def serve(request, timeout=None):
    """Answer from a file: URL as a web server would."""
    content = Path(urllib.request.url2pathname(request.selector)).read_bytes()
    response = urllib.response.addinfourl(io.BytesIO(content), {}, request.full_url)
    response.length = len(content)
    return response


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debian_s_fashion_mnist(data):
    raw = data / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in IDX:
        (raw / name).write_bytes(gzip.decompress((DEBIAN / f"{name}.gz").read_bytes()))
    images = load(FashionMNIST())
    assert (len(images.train), len(images.test)) == (60_000, 10_000)
    assert torch.bincount(images.train_labels).tolist() == [6000] * 10
    assert torch.bincount(images.test_labels).tolist() == [1000] * 10
    assert images.mean.item() == pytest.approx(0.2860, abs=1e-4)  # the figures in common use
    assert images.std.item() == pytest.approx(0.3530, abs=1e-4)
