"""Crop, flip and normalisation against an oracle that does one image at a time."""

import time

import pytest
import torch
from torchvision.transforms.v2.functional import crop, horizontal_flip, pad

from lightning_bam.data import augment, normalise


def one_by_one(images, offsets, flips, padding):
    """torchvision's RandomCrop(padding) and RandomHorizontalFlip, with the draws given."""
    done = []
    for image, (top, left), flip in zip(images, offsets.tolist(), flips.tolist(), strict=True):
        cut = crop(pad(image, [padding]), top, left, *image.shape[1:])
        done.append(horizontal_flip(cut) if flip else cut)
    return torch.stack(done)


@pytest.mark.parametrize(("height", "width", "padding"), [(32, 32, 4), (7, 13, 3), (13, 7, 1), (5, 3, 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_augmented_as_torchvision_does_one_image(height, width, padding, channels):
    generator = torch.Generator().manual_seed(height)
    images = torch.randint(0, 256, (29, channels, height, width), dtype=torch.uint8, generator=generator)
    offsets = torch.randint(0, 2 * padding + 1, (29, 2), generator=generator)
    flips = torch.rand(29, generator=generator) < 0.5
    augmented = augment(images, offsets, flips, padding)
    assert augmented.dtype == torch.uint8
    assert torch.equal(augmented, one_by_one(images, offsets, flips, padding))
    assert torch.equal(augment(images, offsets, None, padding), one_by_one(images, offsets, flips & False, padding))


def test_a_shift_worked_by_hand():
    image = torch.arange(1, 7, dtype=torch.uint8).reshape(1, 1, 2, 3)
    moved = augment(image, torch.tensor([[0, 2]]), torch.tensor([False]), 1)
    assert moved.tolist() == [[[[0, 0, 0], [2, 3, 0]]]]
    mirrored = augment(image, torch.tensor([[0, 2]]), torch.tensor([True]), 1)
    assert mirrored.tolist() == [[[[0, 0, 0], [0, 3, 2]]]]


def test_the_images_given_are_left_as_they_were():
    images = torch.arange(24, dtype=torch.uint8).reshape(2, 1, 3, 4)
    before = images.clone()
    augmented = augment(images, torch.zeros(2, 2, dtype=torch.int64), torch.tensor([True, False]), 1)
    normalise(augmented, torch.tensor([0.5]), torch.tensor([0.1]))
    normalise(images, torch.tensor([0.5]), torch.tensor([0.1]))
    assert torch.equal(images, before)


def test_normalised_values_are_the_formula_s():
    images = torch.randint(0, 256, (11, 3, 5, 7), dtype=torch.uint8)
    mean, std = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.3, 0.2, 0.05])
    expected = torch.stack([(images[:, c].double() / 255 - mean[c].double()) / std[c].double() for c in range(3)], 1)
    normalised = normalise(images, mean, std)
    assert normalised.dtype == torch.float32
    assert torch.allclose(normalised.double(), expected, atol=1e-5)


def test_thirty_thousand_images_a_second_on_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images = torch.zeros(128, 3, 32, 32, dtype=torch.uint8)
        offsets, flips = torch.full((128, 2), 3), torch.arange(128) % 2 == 0
        mean = std = torch.full((3,), 0.5)
        seconds = []
        for _ in range(20):
            started = time.process_time()
            normalise(augment(images, offsets, flips, 4), mean, std)
            seconds.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    assert 128 / min(seconds) > 30_000
