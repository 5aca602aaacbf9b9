"""Cluttered digits: real, correct, repeatable, and quick to make."""

import hashlib
import time

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lightning_bam.config import ClutteredDigits, Digits
from lightning_bam.data import load
from lightning_bam.data.clutter import cluttered, colours, paint, plain, sources, upscale
from lightning_bam.data.draws import integers, permutation


def sha(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def test_the_default_images_are_pinned():
    assert sha(*cluttered(ClutteredDigits())) == "c32f53dec14f22ec0d28790b60a14ea38855f08c7dfe7633474b7aa80ee9604a"
    assert load(ClutteredDigits()).digest == "c32f53dec14f22ec"


def test_the_plain_images_are_pinned():
    assert sha(*plain()) == "1e7087b08bad58450a1c540bd2cb628d19b1cceeee064e25b905b91605821ef2"


def test_same_description_same_images_and_another_seed_other_images():
    small = {"train": 50, "test": 20}
    first = sha(*cluttered(ClutteredDigits(**small)))
    assert sha(*cluttered(ClutteredDigits(**small))) == first
    assert sha(*cluttered(ClutteredDigits(**small, seed=1))) != first


def test_shapes_types_and_labels():
    train, train_labels, test, test_labels = cluttered(ClutteredDigits(size=21, train=300, test=70))
    assert (train.shape, train.dtype) == ((300, 3, 21, 21), np.uint8)
    assert (test.shape, test.dtype) == ((70, 3, 21, 21), np.uint8)
    assert train_labels.dtype == test_labels.dtype == np.int64
    assert set(train_labels) == set(test_labels) == set(range(10))


@pytest.mark.parametrize("size", [20, 256])
def test_the_smallest_and_the_largest_canvas(size):
    train, *_ = cluttered(ClutteredDigits(size=size, train=10, test=10, fragments=64))
    assert train.shape == (10, 3, size, size)


def test_the_digits_are_those_of_scikit_learn():
    digits, (train, test) = load_digits(), sources()
    order = permutation(1797, 1797)
    assert np.array_equal(np.concatenate([train.images, test.images]), digits.images[order])
    assert np.array_equal(np.concatenate([train.labels, test.labels]), digits.target[order])


def test_train_and_test_show_disjoint_digits_and_together_all():
    digits = load_digits()
    train, test = sources()
    assert (len(train.labels), len(test.labels)) == (1297, 500)
    images = digits.images.astype(np.uint8)
    everything = {(image.tobytes(), label) for image, label in zip(images, digits.target, strict=True)}
    seen = [
        {(image.tobytes(), label) for image, label in zip(part.images, part.labels, strict=True)}
        for part in (train, test)
    ]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == everything


def test_upscaled_digits_are_the_linear_interpolation_worked_by_hand():
    digit = np.zeros((1, 8, 8), np.uint8)
    digit[0, 0, 0], digit[0, 4, 4] = 16, 16
    large = upscale(digit)[0]
    assert large[:3, :3].tolist() == [[255, 191, 63], [191, 143, 47], [63, 47, 15]]
    assert large[6:12, 8].tolist() == [0, 47, 143, 143, 47, 0]


def test_upscaled_digits_agree_with_torch_s_interpolation():
    images = sources()[0].images[:100]
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None].double() * 255 / 16, scale_factor=2, mode="bilinear", align_corners=False
    )[:, 0]
    assert np.abs(upscale(images) - expected.numpy()).max() <= 1


def test_without_fragments_an_image_is_exactly_its_coloured_digit():
    spec = ClutteredDigits(size=37, fragments=0, train=1400, test=10, seed=4)
    images, labels, *_ = cluttered(spec)
    source = sources()[0]
    large = upscale(source.images).astype(np.int64)
    for number in range(0, 1400, 13):
        shown = number % 1297
        image, label = images[number].astype(np.int64), labels[number]
        assert label == source.labels[shown]
        found = [
            (top, left)
            for top in range(22)
            for left in range(22)
            if image.sum() == image[:, top : top + 16, left : left + 16].sum()
            and all(_is_tint(image[c, top : top + 16, left : left + 16], large[shown]) for c in range(3))
        ]
        assert found


def _is_tint(plane, grey):
    peak = grey.max()
    return any(np.array_equal(plane, grey * c // 255) for c in range(64, 256) if peak * c // 255 == plane.max())


def test_every_digit_is_shown_equally_often():
    _, labels, _, test_labels = cluttered(ClutteredDigits(train=2 * 1297, test=1000, size=20, fragments=0))
    train, test = sources()
    assert np.array_equal(np.bincount(labels), 2 * np.bincount(train.labels))
    assert np.array_equal(np.bincount(test_labels), 2 * np.bincount(test.labels))


def test_fragments_lie_around_and_below_the_digit():
    bare, labels, *_ = cluttered(ClutteredDigits(size=40, fragments=0, train=200, test=10))
    full, same_labels, *_ = cluttered(ClutteredDigits(size=40, fragments=8, train=200, test=10))
    assert np.array_equal(labels, same_labels)
    assert (full.max(axis=1) > 0).mean() > 1.5 * (bare.max(axis=1) > 0).mean()
    opaque = [number for number in range(200) if upscale(sources()[0].images[number : number + 1]).max() == 255]
    assert len(opaque) > 50
    for number in opaque:
        brightest = bare[number].sum(axis=0).argmax()
        assert np.array_equal(full[number].reshape(3, -1)[:, brightest], bare[number].reshape(3, -1)[:, brightest])


def test_painting_worked_by_hand():
    canvas = np.full((1, 3, 2, 2), 100, np.uint8)
    patch = np.array([[[255, 0], [51, 255]]], np.uint8)
    paint(canvas, patch, np.array([[200, 0, 255]]), np.array([0]), np.array([0]))
    assert canvas[0, 0].tolist() == [[200, 100], [120, 200]]
    assert canvas[0, 1].tolist() == [[0, 100], [80, 0]]
    assert canvas[0, 2].tolist() == [[255, 100], [131, 255]]


def test_colours_are_never_dim():
    drawn = colours(5000, 1)
    assert drawn.min() == 64
    assert drawn.max() == 255
    assert integers(1, 64, 256, 1).item() == drawn[0, 0]


def test_the_default_set_is_made_in_two_seconds():
    sources()
    started = time.process_time()
    load(ClutteredDigits())
    assert time.process_time() - started < 2


def test_plain_digits_keep_their_values_in_sixteenths():
    images, labels, test, test_labels = plain()
    assert (images.shape, test.shape) == ((1297, 1, 8, 8), (500, 1, 8, 8))
    assert images.max() == 255
    assert np.array_equal(np.round(images.astype(int) * 16 / 255).astype(int)[:, 0], sources()[0].images)
    assert np.bincount(np.concatenate([labels, test_labels])).tolist() == np.bincount(load_digits().target).tolist()
    assert load(Digits()).train.shape[1:] == Digits().shape
