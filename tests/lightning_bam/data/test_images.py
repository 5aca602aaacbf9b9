"""Statistics, the digest, and the held-out part."""

import hashlib
from dataclasses import replace

import pytest
import torch

from lightning_bam.config import ClutteredDigits, ConfigError
from lightning_bam.data import load
from lightning_bam.data.images import in_memory, statistics


def some_images(train=103, test=20, classes=4):
    generator = torch.Generator().manual_seed(7)
    images = torch.randint(0, 256, (train + test, 3, 5, 7), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, classes, (train + test,), generator=generator)
    return in_memory(images[:train], labels[:train], images[train:], labels[train:])


def test_mean_and_deviation_are_those_of_the_train_pixels():
    images = some_images()
    pixels = images.train.double().div(255).transpose(0, 1).flatten(1)
    assert torch.allclose(images.mean.double(), pixels.mean(1), atol=1e-7)
    assert torch.allclose(images.std.double(), pixels.std(1, correction=0), atol=1e-7)
    assert images.mean.dtype == images.std.dtype == torch.float32


def test_statistics_worked_by_hand():
    images = torch.tensor([[[[0, 255]], [[51, 51]]], [[[255, 0]], [[51, 51]]]], dtype=torch.uint8)
    mean, std = statistics(images)
    assert mean.tolist() == pytest.approx([0.5, 0.2])
    assert std.tolist() == [0.5, 1.0]  # a constant channel is left as it is


def test_statistics_of_more_images_than_are_counted_at_a_time():
    images = torch.arange(10_000).remainder(256).to(torch.uint8).reshape(-1, 1, 1, 1)
    mean, std = statistics(images)
    assert mean.item() == pytest.approx(images.double().mean().item() / 255)
    assert std.item() == pytest.approx(images.double().std(correction=0).item() / 255)


def test_the_digest_is_the_hash_of_all_four_tensors():
    images = some_images()
    parts = (images.train, images.train_labels, images.test, images.test_labels)
    data = b"".join(part.numpy().tobytes() for part in parts)
    assert images.digest == hashlib.sha256(data).hexdigest()[:16]
    for index, part in enumerate(parts):
        changed = [*parts[:index], part.flip(0), *parts[index + 1 :]]
        assert in_memory(*changed).digest != images.digest


def test_the_held_out_fifth_and_the_rest_are_train_and_nothing_of_test():
    images = some_images()
    split = images.held_out()
    assert (len(split.train), len(split.test)) == (82, 21)

    def names(tensor, labels):
        return [(image.numpy().tobytes(), int(label)) for image, label in zip(tensor, labels, strict=True)]

    kept, scored = names(split.train, split.train_labels), names(split.test, split.test_labels)
    assert not set(kept) & set(scored)
    assert sorted(kept + scored) == sorted(names(images.train, images.train_labels))


def test_the_held_out_fifth_takes_its_share_of_each_class():
    images = load(ClutteredDigits(train=997, test=10))
    split = images.held_out()
    shares = torch.bincount(split.test_labels) / torch.bincount(images.train_labels)
    assert (shares - 0.2).abs().max() < 0.01


def test_the_held_out_fifth_is_always_the_same_and_mixed():
    images = some_images()
    assert images.held_out().digest == some_images().held_out().digest
    ramp = torch.arange(100, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    numbered = replace(images, train=ramp, train_labels=torch.zeros(100, dtype=torch.int64))
    scored = numbered.held_out().test.flatten().tolist()
    assert scored != list(range(0, 100, 5))
    assert 20 < sum(scored) / len(scored) < 80


def test_statistics_of_a_split_are_those_of_what_is_trained_on():
    split = some_images().held_out()
    assert torch.equal(split.mean, statistics(split.train)[0])


def test_too_few_images_to_hold_a_fifth_out():
    with pytest.raises(ConfigError) as refusal:
        some_images(train=4).held_out()
    assert str(refusal.value) == "score_on='held_out' needs 5 train images to hold a fifth out, got 4"
