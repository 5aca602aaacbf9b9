"""A part of a data set: which images, the same for whoever asks, every class with its share."""

from dataclasses import replace

import pytest
import torch

from lightning_bam import CocoDetection, Digits, ImageFolder, ImageNet, Recipe, Run, SmallResNet
from lightning_bam.config import ConfigError
from lightning_bam.data import load
from lightning_bam.data.draws import permutation
from lightning_bam.data.images import fixed_order, part_mask
from lightning_bam.detection.sets import SceneSet, SceneSets, Target
from tests.lightning_bam.data.picture_folders import fake_imagenet, fill
from tests.lightning_bam.training.here import trained_here


def by_hand(labels):
    """Return the order as its docstring says, image by image."""
    shuffled = permutation(len(labels), 7).tolist()
    seen, places = {}, []
    for position, index in enumerate(shuffled):
        number = seen[labels[index]] = seen.get(labels[index], -1) + 1
        places.append(((number + 0.5) / labels.count(labels[index]) if number else 0.0, position, index))
    return [index for _, _, index in sorted(places)]


@pytest.mark.parametrize("labels", [[0, 1] * 7, [2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1], [0] * 5, [3, 1, 1]], ids=str)
def test_the_order_is_as_it_is_described(labels):
    assert fixed_order(torch.tensor(labels)).tolist() == by_hand(labels)


def test_each_class_has_its_share_at_any_count():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    for count in range(3, 101):
        counts = torch.bincount(labels[part_mask(labels, count)], minlength=3)
        assert counts.sum() == count
        assert (counts - count * torch.tensor([0.6, 0.3, 0.1])).abs().max() <= 1.5
        assert counts.min() >= 1


def test_fewer_images_are_part_of_more():
    labels = torch.arange(50) % 7
    assert (part_mask(labels, 30) & part_mask(labels, 20)).sum() == 20
    assert part_mask(labels, 50).all()


def test_of_the_digits():
    whole, part = load(Digits()), load(Digits(train=250))
    assert part.train.shape == (250, 1, 8, 8)
    assert torch.equal(part.test, whole.test)
    kept = part_mask(whole.train_labels, 250)
    assert torch.equal(part.train, whole.train[kept])
    assert torch.equal(part.train_labels, whole.train_labels[kept])
    assert part.mean.item() == pytest.approx(whole.train[kept].double().mean().item() / 255, rel=1e-6)
    assert part.digest != whole.digest
    shares = torch.bincount(whole.train_labels) / 1297
    assert (torch.bincount(part.train_labels) - 250 * shares).abs().max() <= 1.5
    assert part.held_out().train.shape[0] == 200


@pytest.mark.parametrize("count", [9, 1298])
def test_more_than_there_are_or_fewer_than_classes_is_refused(count):
    message = f"^dataset.train={count}: must be from 10, an image of each class, to 1297, which is all$"
    with pytest.raises(ConfigError, match=message):
        load(Digits(train=count))


def test_of_files(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    fill(tmp_path / "zoo" / "train", 3, 4, suffix="png")
    fill(tmp_path / "zoo" / "test", 3, 1, seed=50, suffix="png")
    part = load(ImageFolder(name="zoo", height=8, width=8, train=6))
    assert part.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert part.scored_count == 3
    monkeypatch.setattr("lightning_bam.data.image_folder.MOST_BYTES", 0)
    streamed = load(ImageFolder(name="zoo", height=8, width=8, train=6))
    assert streamed.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert streamed.digest != load(ImageFolder(name="zoo", height=8, width=8)).digest


def test_only_the_part_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    fill(tmp_path / "zoo" / "train", 2, 6, suffix="png")
    fill(tmp_path / "zoo" / "test", 2, 1, seed=50, suffix="png")
    left_out = ~part_mask(torch.arange(12) // 6, 4)
    files = sorted((tmp_path / "zoo" / "train").rglob("*.png"), key=str)
    for file, out in zip(files, left_out.tolist(), strict=True):
        if out:
            file.write_bytes(b"none")
    assert load(ImageFolder(name="zoo", height=8, width=8, train=4)).count == 4


def test_of_imagenet(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    fake_imagenet(tmp_path)
    with pytest.raises(ConfigError, match="dataset.train=999: must be from 1000, an image of each class, to 1000"):
        load(ImageNet(train=999))
    assert load(ImageNet(train=1000)).count == 1000


def test_of_scenes():
    scenes = SceneSet(lambda index: torch.full((3, 2, 2), index), [Target.of([], [], [])] * 20)
    sets = SceneSets(scenes, scenes, torch.zeros(3), torch.ones(3), "all")
    some, fewer = ([int(part.train.image(i)[0, 0, 0]) for i in range(len(part.train))] for part in
                   (sets.some(11), sets.some(7)))  # fmt: skip
    assert len(set(some)) == 11
    assert some == sorted(some) != list(range(11))
    assert set(fewer) < set(some)
    assert len(sets.some(11).test) == 20
    assert sets.some(None) is sets
    with pytest.raises(ConfigError, match="^dataset.train=21: must be at most the 20 scenes that there are$"):
        sets.some(21)
    assert CocoDetection(train=21).train == 21


def test_it_is_what_a_run_trains_on(tmp_path):
    """Other batches, so other losses; the same images are scored."""
    recipe = Recipe(epochs=1, batch_size=50, schedule="cosine", crop_padding=0, flip=False)
    run = Run(dataset=Digits(train=250), backbone=SmallResNet(width=4), recipe=recipe)
    part = trained_here(tmp_path, run).result()
    whole = trained_here(tmp_path, replace(run, dataset=Digits())).result()
    assert part.scored == whole.scored == 500
    assert part.loss != whole.loss
