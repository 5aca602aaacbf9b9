"""A dataset of the user's own: hand-made images in memory and in files, and a line for what it may not be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_bam import ConfigError, DatasetSpec, ImageData, Recipe, Run, spec
from lightning_bam.config.spec import forget_own
from lightning_bam.data import Batches, ImageFiles, Images, load
from lightning_bam.data.stream import Stream

HEIGHT, WIDTH = 5, 7
GIVEN = {}
"""What `load` gives, by the name in the spec."""


@spec
class Mine(DatasetSpec):
    name: str = "mine"
    classes = 3
    shape = (3, HEIGHT, WIDTH)

    def load(self):
        return GIVEN[self.name]


@spec
class Grey(Mine):
    shape = (1, HEIGHT, WIDTH)


forget_own()  # tests of all kinds that there are must not find these


def pictures(count, first=0, channels=3):
    """Return images `(count, channels, 5, 7)` of which no two have a byte in common at any place."""
    places = torch.arange(channels * HEIGHT * WIDTH).reshape(1, channels, HEIGHT, WIDTH)
    return ((places + 11 * torch.arange(first, first + count)[:, None, None, None]) % 256).to(torch.uint8)


TRAIN, TEST = pictures(7), pictures(4, first=7)
LABELS, TEST_LABELS = [0, 1, 2, 0, 1, 2, 1], [2, 1, 0, 1]


def given(train=TRAIN, labels=LABELS, test=TEST, test_labels=TEST_LABELS, cls=Mine):
    GIVEN["mine"] = (train, labels, test, test_labels)
    return cls()


def refusal(dataset):
    with pytest.raises(ConfigError) as caught:
        load(dataset)
    message, start = str(caught.value), f"dataset={dataset.kind} ({type(dataset).__name__} in {__file__}): "
    assert "\n" not in message
    assert message.startswith(start)
    return message.removeprefix(start)


@pytest.fixture
def files(tmp_path):
    """Return the paths of `TRAIN` and `TEST` as PNGs, of train in two folders."""
    paths = []
    for number, image in enumerate([*TRAIN, *TEST]):
        path = tmp_path / f"part{number % 2}" / f"bild {number} ä.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
        paths.append(path)
    return paths[:7], paths[7:]


LISTS = {
    "tensors": torch.tensor,
    "lists": list,
    "tuples": tuple,
    **{
        kind: lambda values, kind=kind: np.array(values, kind) for kind in ("int8", "uint8", "int32", "uint16", "int64")
    },
}


@pytest.mark.parametrize("kind", LISTS)
def test_images_and_labels_in_memory_are_as_they_were_given(kind):
    labels = LISTS[kind]
    for array in (lambda images: images, lambda images: images.numpy()):
        images = load(given(array(TRAIN), labels(LABELS), array(TEST), labels(TEST_LABELS)))
        assert isinstance(images, Images)
        assert torch.equal(images.train, TRAIN)
        assert torch.equal(images.test, TEST)
        assert images.train_labels.dtype == torch.int64
        assert (images.train_labels.tolist(), images.test_labels.tolist()) == (LABELS, TEST_LABELS)
        assert images.shape == (3, HEIGHT, WIDTH)
        channels = TRAIN.double().transpose(0, 1).flatten(1) / 255
        torch.testing.assert_close(images.mean.double(), channels.mean(1), atol=1e-7, rtol=0)
        torch.testing.assert_close(images.std.double(), channels.std(1, correction=0), atol=1e-7, rtol=0)


def test_what_is_not_contiguous_or_not_writable_is_copied():
    turned = TRAIN.transpose(2, 3).contiguous().transpose(2, 3)
    fixed = TEST.numpy().copy()
    fixed.flags.writeable = False
    images = load(given(turned, LABELS, fixed, np.array(TEST_LABELS)[::-1]))
    assert torch.equal(images.train, TRAIN)
    assert torch.equal(images.test, TEST)
    assert images.test_labels.tolist() == TEST_LABELS[::-1]


@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
def test_paths_are_decoded_when_they_are_used(files, kind):
    train, test = ([kind(path) for path in paths] for paths in files)
    images = load(given(train, np.array(LABELS), test, TEST_LABELS))
    assert isinstance(images, ImageFiles)
    assert (images.count, images.shape) == (7, (3, HEIGHT, WIDTH))
    pixels, labels = images.scored(range(4))
    assert torch.equal(pixels, TEST)
    assert labels.tolist() == TEST_LABELS
    assert [images.train.path(index) for index in range(7)] == files[0]
    assert images.train.labels.tolist() == LABELS
    in_memory = load(given())
    assert torch.equal(images.mean, in_memory.mean)
    assert torch.equal(images.std, in_memory.std)


def test_paths_are_relative_to_the_working_directory(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, test = ([str(path.relative_to(tmp_path)) for path in paths] for paths in files)
    images = load(given(train, LABELS, test, TEST_LABELS))
    monkeypatch.chdir("/")
    assert torch.equal(images.scored([2])[0], TEST[2:3])


def test_a_fifth_of_train_is_held_out_alike_in_memory_and_in_files(files):
    in_memory, streamed = load(given()).held_out(), load(given(*_paths(files))).held_out()
    assert len(in_memory.test) == 2
    assert torch.equal(streamed.scored(range(2))[0], in_memory.test)
    assert torch.equal(streamed.train.labels, in_memory.train_labels)
    every = [tuple(image.flatten().tolist()) for image in (*in_memory.train, *in_memory.test)]
    assert sorted(every) == sorted(tuple(image.flatten().tolist()) for image in TRAIN)


def _paths(files):
    return files[0], LABELS, files[1], TEST_LABELS


def test_the_digest_changes_with_content_labels_and_order(files):
    changed = TRAIN.clone()
    changed[3, 1, 4, 6] += 1
    several = [(TRAIN, LABELS), (changed, LABELS), (TRAIN, [*LABELS[:-1], 0]), (TRAIN.flip(0), LABELS)]
    digests = [load(given(*values)).digest for values in several]
    assert len(set(digests)) == len(several)
    assert load(given()).digest == digests[0]
    train, _, test, _ = _paths(files)
    of_files = [load(given(train, LABELS, test, TEST_LABELS)).digest, load(given(train[::-1], LABELS, test)).digest]
    with files[0][2].open("ab") as file:
        file.write(b"one more")
    of_files.append(load(given(train, LABELS, test, TEST_LABELS)).digest)
    assert len(set(of_files)) == 3
    assert all(digest.startswith("names+sizes:") for digest in of_files)


def test_a_moved_folder_has_the_same_digest(files, tmp_path):
    before = load(given(*_paths(files))).digest
    (tmp_path / "elsewhere").mkdir()
    for part in ("part0", "part1"):
        (tmp_path / part).rename(tmp_path / "elsewhere" / part)
    moved = [[tmp_path / "elsewhere" / path.relative_to(tmp_path) for path in paths] for paths in files]
    assert load(given(moved[0], LABELS, moved[1], TEST_LABELS)).digest == before


def test_files_of_every_kind_are_fitted_to_the_shape(tmp_path):
    """Unequal sizes, grey, RGBA, 16 bits, palette, and a photograph that EXIF turns."""
    colour = np.full((2 * HEIGHT, 2 * WIDTH, 3), (200, 100, 50), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    sideways = np.zeros((2 * WIDTH, 2 * HEIGHT, 3), np.uint8)
    sideways[:WIDTH], sideways[WIDTH:] = 255, 10  # its upper half is to the right once it is turned
    saved = {
        "wide.png": (Image.fromarray(np.full((HEIGHT, 30, 3), 9, np.uint8)), {}),
        "grey.png": (Image.fromarray(np.full((HEIGHT, WIDTH), 77, np.uint8)), {}),
        "rgba.png": (Image.fromarray(np.dstack((colour, np.full(colour.shape[:2], 3, np.uint8)))), {}),
        "deep.png": (Image.fromarray(np.full((HEIGHT, WIDTH), 0xABCD, np.uint16)), {}),
        "palette.png": (Image.fromarray(colour).quantize(4), {}),
        "turned.png": (Image.fromarray(sideways), {"exif": exif}),
    }
    for name, (image, options) in saved.items():
        image.save(tmp_path / name, **options)
    paths = [tmp_path / name for name in saved]
    images = load(given(paths, [0, 1, 2, 0, 1, 2], paths, [0, 1, 2, 0, 1, 2]))
    wide, grey, rgba, deep, palette, turned = images.scored(range(6))[0]
    assert all(image.shape == (3, HEIGHT, WIDTH) for image in (wide, grey, rgba, deep, palette, turned))
    for image, pixel in ((wide, (9, 9, 9)), (grey, (77,) * 3), (deep, (0xAB,) * 3), (rgba, (200, 100, 50))):
        assert image.flatten(1).unique(dim=1).flatten().tolist() == list(pixel)
    assert (palette.flatten(1).T.int() - torch.tensor([200, 100, 50])).abs().max() <= 2
    assert turned[:, :, : WIDTH // 2].unique().tolist() == [10]
    assert turned[:, :, -(WIDTH // 2) :].unique().tolist() == [255]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_corrupt_file_in_the_middle_is_one_line_that_names_it(files, part, workers, monkeypatch):
    broken = files[0][3] if part == "train" else files[1][2]
    broken.write_bytes(broken.read_bytes()[:50])  # behind its header, amid its pixels
    images = load(given(*_paths(files)))
    monkeypatch.setattr(ImageFiles, "statistics", (torch.zeros(3), torch.ones(3)))
    stream = Stream(images, torch.device("cpu"), workers)
    plan = Batches(n=7, batch_size=7, padding=0, seed=0, epoch=0, rank=0, world_size=1, crops=False, start=0)
    batches = stream.train(plan) if part == "train" else stream.score(stream.scored(0, 1))
    with pytest.raises(ConfigError) as caught:
        list(batches)
    assert str(caught.value).startswith(f"cannot read the image {broken}: ")
    assert "\n" not in str(caught.value)


SHAPE = "must be (N, 3, 5, 7) uint8"
OR_PATHS = "(N, 3, 5, 7) uint8, or a list of paths"


def labels_of(count):
    return f"must be ({count},) whole numbers, one an image, or ({count}, 5, 7), one a pixel"


RANGE = "must be 0 to 2 (classes=3)"
REFUSED = {
    "floats": (lambda: given(train=TRAIN.float() / 255), f"train images are (7, 3, 5, 7) float32, {SHAPE}"),
    "whole numbers": (lambda: given(test=TEST.long()), f"test images are (4, 3, 5, 7) int64, {SHAPE}"),
    "channels last": (lambda: given(train=TRAIN.permute(0, 2, 3, 1)), f"train images are (7, 5, 7, 3) uint8, {SHAPE}"),
    "one image": (lambda: given(test=TEST[0], test_labels=[0, 1, 2]), f"test images are (3, 5, 7) uint8, {SHAPE}"),
    "none": (lambda: given(train=TRAIN[:0], labels=[]), f"train images are (0, 3, 5, 7) uint8, {SHAPE}"),
    "grey for colour": (lambda: given(train=pictures(7, channels=1)), f"train images are (7, 1, 5, 7) uint8, {SHAPE}"),
    "a list of arrays": (
        lambda: given(train=list(TRAIN.numpy()), test=list(TEST.numpy())),
        "train images hold ndarray, must be paths; or stack images to one tensor or array",
    ),
    "paths and pixels": (
        lambda: given(test=["a.png"], test_labels=[0]),
        "one of train and test images is a list; give both as lists of paths, or as tensors or arrays",
    ),
    "a number": (lambda: given(train=3), f"train images are int, must be a tensor or an array {OR_PATHS}"),
    "a text": (lambda: given(test="a.png"), f"test images are str, must be a tensor or an array {OR_PATHS}"),
    "float labels": (
        lambda: given(labels=[float(label) for label in LABELS]),
        f"train labels are (7,) float64, {labels_of(7)}",
    ),
    "labels of truth": (
        lambda: given(test_labels=torch.ones(4, dtype=torch.bool)),
        f"test labels are (4,) bool, {labels_of(4)}",
    ),
    "one-hot labels": (
        lambda: given(labels=np.eye(3, dtype=int)[LABELS]),
        f"train labels are (7, 3) int64, {labels_of(7)}",
    ),
    "a label too few": (
        lambda: given(labels=LABELS[:-1]),
        f"train labels are (6,) int64, {labels_of(7)}",
    ),
    "labels that are names": (
        lambda: given(labels=["cat"] * 7),
        f"train labels are (7,) <U3, {labels_of(7)}",
    ),
    "labels of unequal length": (
        lambda: given(labels=[[0, 1], [2]] * 3 + [[1]]),
        f"train labels are no array of numbers, {labels_of(7)}",
    ),
    "a label too high": (
        lambda: given(labels=[1, 2, 3, 0, 0, 0, 0]),
        "train labels hold 3, must be 0 to 2 (classes=3)",
    ),
    "a label too low": (lambda: given(test_labels=[0, -1, 0, 0]), f"test labels hold -1, {RANGE}"),
    "a label of the last byte": (
        lambda: given(labels=np.array([255, 0, 0, 0, 0, 0, 0], np.uint8)),
        f"train labels hold 255, {RANGE}",
    ),
    "three parts": (
        lambda: GIVEN.update(mine=(TRAIN, LABELS, TEST)) or Mine(),
        "load() must return train images, train labels, test images, test labels",
    ),
    "nothing": (
        lambda: GIVEN.update(mine=None) or Mine(),
        "load() must return train images, train labels, test images, test labels",
    ),
    "a mistake": (lambda: Mine(name="missing"), "load() failed: KeyError: 'missing'"),
    "no paths": (lambda: given([], [], [], []), "train images are none"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_it_may_not_be_is_one_line(kind):
    make, line = REFUSED[kind]
    assert refusal(make()) == line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"shape": (5, 7)}, "shape=(5, 7): must be (channels, height, width), whole numbers from 1"),
        ({"shape": (3, 0, 7)}, "shape=(3, 0, 7): must be (channels, height, width), whole numbers from 1"),
        ({"shape": [3, 5, 7]}, "shape=[3, 5, 7]: must be (channels, height, width), whole numbers from 1"),
        ({"classes": 0}, "classes=0: must be a whole number from 1"),
        ({"classes": "3"}, "classes='3': must be a whole number from 1"),
    ],
    ids=str,
)
def test_a_description_that_is_none_is_one_line(changes, line, monkeypatch):
    for name, value in changes.items():
        monkeypatch.setattr(Mine, name, value)
    assert refusal(given()) == line


def test_a_label_a_pixel_is_kept_as_it_was_given():
    masks = np.arange(7 * HEIGHT * WIDTH).reshape(7, HEIGHT, WIDTH) % 3
    images = load(given(labels=masks.astype(np.uint8), test_labels=torch.from_numpy(masks[:4])))
    assert images.train_labels.dtype == torch.int64
    assert np.array_equal(images.train_labels, masks)
    assert np.array_equal(images.test_labels, masks[:4])


def test_paths_that_lead_nowhere_and_grey_ones_are_one_line(files, tmp_path):
    train, labels, test, test_labels = _paths(files)
    missing = tmp_path / "nö.png"
    assert refusal(given(train, labels, [*test[:2], missing, test[3]], test_labels)) == (
        f"test images: no such file {missing}"
    )
    assert refusal(given(train, labels, [*test[:2], tmp_path, test[3]], test_labels)) == (
        f"test images: no such file {tmp_path}"
    )
    assert refusal(given(*_paths(files), cls=Grey)) == "shape=(1, 5, 7): images from files have 3 channels"


def test_a_run_s_batches_are_the_images(files):
    recipe = Recipe(epochs=1, batch_size=2, crop_padding=0, flip=False)
    for dataset in (given(), given(*_paths(files))):
        run = Run(dataset=dataset, recipe=recipe)
        data = ImageData(run)
        data.check(1)
        assert data.images.count == 7
        assert data.images.shape == (3, HEIGHT, WIDTH)
        with pytest.raises(ConfigError, match="is more than the 7 train images"):
            ImageData(replace(run, recipe=replace(recipe, batch_size=8))).check(1)
