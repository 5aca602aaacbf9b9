"""The order of the data: pure in (seed, epoch), and the same for any number of ranks."""

import itertools

import pytest
import torch

from lightning_bam.data import Batches, epoch_order
from lightning_bam.data.order import augmentation_draws


def of_rank(rank=0, world_size=1, **changes):
    settings = {"n": 107, "batch_size": 16, "padding": 4, "seed": 3, "epoch": 5} | changes
    return list(Batches(**settings, rank=rank, world_size=world_size))


def test_the_order_holds_each_image_once():
    order = epoch_order(107, seed=3, epoch=5)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(107))


def test_the_order_is_pinned():
    assert epoch_order(10, seed=0, epoch=0).tolist() == [0, 4, 9, 7, 1, 5, 6, 3, 8, 2]
    assert epoch_order(10, seed=0, epoch=1).tolist() == [1, 5, 6, 8, 3, 0, 7, 4, 9, 2]
    assert epoch_order(10, seed=1, epoch=0).tolist() == [8, 7, 3, 5, 1, 2, 4, 6, 9, 0]


def test_the_order_is_pure_in_seed_and_epoch():
    first = epoch_order(107, seed=3, epoch=5)
    torch.manual_seed(99)
    epoch_order(50, seed=1, epoch=1)
    assert torch.equal(epoch_order(107, seed=3, epoch=5), first)


def test_orders_of_other_seeds_and_epochs_are_other_orders():
    orders = [tuple(epoch_order(107, seed, epoch).tolist()) for seed in range(4) for epoch in range(4)]
    assert len(set(orders)) == 16


def test_global_batches_are_consecutive_entries_and_the_incomplete_last_one_is_dropped():
    batches = of_rank()
    order = epoch_order(107, seed=3, epoch=5)
    assert len(batches) == len(Batches(n=107, batch_size=16, padding=4, seed=3, epoch=5)) == 6
    assert torch.equal(torch.cat([batch.indices for batch in batches]), order[:96])


def test_a_train_set_of_whole_batches_is_seen_entirely():
    assert sorted(torch.cat([batch.indices for batch in of_rank(n=96)]).tolist()) == list(range(96))


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_ranks_shares_laid_end_to_end_are_the_global_batch_with_its_draws(world_size):
    whole = of_rank()
    shares = zip(*(of_rank(rank, world_size) for rank in range(world_size)), strict=True)
    for batch, parts in zip(whole, shares, strict=True):
        for name in ("indices", "offsets", "flips"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
            assert len({len(getattr(part, name)) for part in parts}) == 1


def test_draws_differ_between_batches_epochs_and_seeds():
    draws = [augmentation_draws(16, 4, *key) for key in itertools.product((0, 1), repeat=3)]
    assert len({(str(offsets.tolist()), str(flips.tolist())) for offsets, flips in draws}) == 8


def test_draws_cover_every_crop_and_both_sides():
    offsets, flips = augmentation_draws(20_000, 2, seed=0, epoch=0, batch=0)
    assert sorted(set(map(tuple, offsets.tolist()))) == list(itertools.product(range(5), repeat=2))
    assert abs(offsets.double().mean(0) - 2).max() < 0.05
    assert abs(flips.double().mean() - 0.5) < 0.02
    assert abs(torch.corrcoef(torch.cat([offsets.double().T, flips.double()[None]])) - torch.eye(3)).max() < 0.03


def test_without_padding_nothing_is_shifted():
    offsets, _ = augmentation_draws(100, 0, seed=0, epoch=0, batch=0)
    assert not offsets.any()


def test_whether_images_are_cropped_has_no_say_in_which_are_flipped():
    assert torch.equal(augmentation_draws(64, 0, 1, 2, 3)[1], augmentation_draws(64, 4, 1, 2, 3)[1])
