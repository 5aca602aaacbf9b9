"""Mixup and cutmix of a batch: by their formulas, alike for any ranks, and drawn from the run's seed and step alone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from lightning_bam import ClutteredDigits, ConfigError, Digits, DigitScenes, FasterRCNN, Recipe, Run
from lightning_bam.data import Batches
from lightning_bam.data.datamodule import OnDevice, TrainBatches
from lightning_bam.data.load import load
from lightning_bam.data.mixing import Mixing, mixing_of
from lightning_bam.detection.data import DetectionData
from lightning_bam.random_streams import stream

DATA = ClutteredDigits(size=20, fragments=2, train=53, test=11)
RUN = Run(dataset=DATA, recipe=Recipe(batch_size=12, crop_padding=2), seed=7)
CLASSES = 10


def mixing(**alphas):
    return replace(RUN, recipe=replace(RUN.recipe, **alphas))


def drawn(run, epoch=0, rank=0, world_size=1, start=0):
    """Return an epoch's batches as a rank trains on them, from batch `start`."""
    source = load(run.dataset)
    trainer = SimpleNamespace(current_epoch=epoch, global_rank=rank, world_size=world_size)
    batches = TrainBatches(run, source, OnDevice(source, torch.device("cpu")), trainer)
    batches.drawn = start
    return list(batches), batches


def coefficient(run, epoch, batch):
    """Return the lambda of a batch: the first that torch's Beta gives after the batch's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(run.seed, "mixing", epoch, batch))
        alpha = torch.tensor([run.recipe.mixup or run.recipe.cutmix])
        return float(torch.distributions.Beta(alpha, alpha).sample())


def test_a_mixup_batch_is_the_formula_with_its_lambda():
    run = mixing(mixup=0.7)
    (mixed, _), (plain, _) = (drawn(each, epoch=2) for each in (run, RUN))
    assert len(mixed) == len(plain) == 4
    for number, ((images, weights), (x, labels)) in enumerate(zip(mixed, plain, strict=True)):
        share = coefficient(run, 2, number)
        y = torch.eye(CLASSES)[labels]
        before = torch.tensor([11, *range(11)])  # each image's partner
        assert torch.allclose(images, share * x + (1 - share) * x[before], atol=1e-6)
        assert torch.allclose(weights, share * y + (1 - share) * y[before], atol=1e-6)
    shares = [coefficient(run, 2, number) for number in range(4)]
    assert len({round(share, 6) for share in shares}) == 4


def test_a_cutmix_batch_pastes_one_box_of_the_image_before():
    (mixed, _), (plain, _) = (drawn(each) for each in (mixing(cutmix=1.0), RUN))
    areas = set()
    for (images, weights), (x, labels) in zip(mixed, plain, strict=True):
        partner = x.roll(1, 0)
        pasted = ((images == partner).all(1) & ~(images == x).all(1)).any(0)  # where any image of the batch shows it
        assert torch.equal(torch.where(pasted, partner, x), images)
        rows, columns = (pasted.any(axis).nonzero() for axis in (1, 0))
        area = int((rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)) if len(rows) else 0
        areas.add(area)
        y = torch.eye(CLASSES)[labels]
        expected = (1 - area / 400) * y + area / 400 * y.roll(1, 0)
        assert torch.allclose(weights, expected, atol=1e-6)
    assert len(areas) > 1
    assert max(areas) > 0


@pytest.mark.parametrize("alphas", [{"mixup": 0.7}, {"cutmix": 1.0}, {"mixup": 0.7, "cutmix": 1.0}], ids=str)
def test_ranks_mix_their_shares_as_one_mixes_the_whole(alphas):
    run = mixing(**alphas)
    whole, alone = drawn(run, epoch=1)
    for world in (2, 3):
        shares = [drawn(run, epoch=1, rank=rank, world_size=world) for rank in range(world)]
        for number, (images, weights) in enumerate(whole):
            parts = [batches[number] for batches, _ in shares]
            assert torch.equal(torch.cat([part[0] for part in parts]), images)
            assert torch.equal(torch.cat([part[1] for part in parts]), weights)
        assert torch.equal(torch.cat([batches.first for _, batches in shares]), alone.first)
    unmixed = next(iter(Batches(n=53, batch_size=12, padding=2, seed=7, epoch=1)))
    assert torch.equal(alone.first, unmixed.indices), "the same samples as without"


def test_what_is_drawn_follows_from_seed_epoch_and_batch_alone():
    run = mixing(mixup=0.7, cutmix=1.0)
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    whole, _ = drawn(run, epoch=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    rest, _ = drawn(run, epoch=1, start=2)
    assert len(rest) == 2
    for (images, weights), (ours, theirs) in zip(whole[2:], rest, strict=True):
        assert torch.equal(images, ours)
        assert torch.equal(weights, theirs)
    for other in (drawn(run, epoch=2), drawn(replace(run, seed=8), epoch=1)):
        assert not torch.equal(other[0][0][1].sort().values, whole[0][1].sort().values)


def test_where_there_are_both_each_batch_draws_one():
    """Mixup with a weight between 0 and 1 changes nearly every pixel, cutmix only those of a box."""
    both = Mixing(mixing(mixup=8.0, cutmix=8.0))
    images, labels = torch.arange(1.0, 5.0)[:, None, None, None].expand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    pasted = []
    for batch in range(40):
        mixed, weights = both(images, labels, 0, batch)
        assert mixed.shape == (3, 1, 8, 8)
        assert torch.allclose(weights.sum(1), torch.ones(3))
        pasted.append(bool(((mixed == images[1:]) | (mixed == images[:-1])).all()))
    assert 10 <= sum(pasted) <= 30, "n = 40, half of them expected"
    assert mixing_of(RUN) is None


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_scenes_are_not_mixed(name):
    recipe = Recipe(batch_size=2, **{name: 0.5})
    run = Run(dataset=DigitScenes(train=4, test=2), backbone=FasterRCNN(), recipe=recipe)
    with pytest.raises(ConfigError) as refusal:
        DetectionData(run).check(1)
    assert str(refusal.value) == f"recipe.{name}=0.5: scenes with boxes are not mixed; set recipe.{name}=none"


def test_the_classes_are_those_of_the_data():
    images, labels = torch.zeros(3, 1, 8, 8), torch.tensor([9, 0, 4])
    _, weights = Mixing(replace(mixing(cutmix=1.0), dataset=Digits()))(images, labels, 0, 0)
    assert weights.shape == (2, 10)
