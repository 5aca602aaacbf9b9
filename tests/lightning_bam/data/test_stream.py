"""Streamed images: the same whatever the workers, the ranks, or what ran before."""

import gc
import multiprocessing
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_bam.config import ConfigError, ImageFolder, ImageNet, Recipe, Run
from lightning_bam.data import Batches, ImageData, ImageFiles, image_folder, load, normalise, stream
from lightning_bam.data.order import crop_draws
from lightning_bam.data.stream import worker_count
from lightning_bam.data.views import Cropped
from tests.lightning_bam.data.picture_folders import fake_imagenet, fill

NET = ImageNet(resolution=8)
ZOO = ImageFolder(name="zoo", height=9, width=8)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    fake_imagenet(root)
    fill(root / "zoo" / "train", 3, 11, suffix="png")
    fill(root / "zoo" / "test", 3, 5, seed=500, suffix="png")
    return root


@pytest.fixture(autouse=True)
def here(data_root, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(data_root))
    monkeypatch.setenv("BAM_WORKERS", "0")


def a_run(dataset=NET, score_on="test", seed=3, **recipe):
    return Run(
        dataset=dataset, seed=seed, score_on=score_on, recipe=Recipe(**{"epochs": 3, "batch_size": 300} | recipe)
    )


def under(run, epoch=0, rank=0, world_size=1):
    data = ImageData(run)
    data.trainer = SimpleNamespace(
        current_epoch=epoch,
        global_rank=rank,
        world_size=world_size,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data


def same(left, right):
    return len(left) == len(right) and all(
        torch.equal(a, b) for pair in zip(left, right, strict=True) for a, b in zip(*pair, strict=True)
    )


def joined(ranks):
    return [tuple(torch.cat(parts) for parts in zip(*shares, strict=True)) for shares in zip(*ranks, strict=True)]


def test_a_batch_is_the_orders_images_cropped_flipped_and_normalised(data_root):
    batches = list(under(a_run(), epoch=2).train_dataloader())
    assert [len(labels) for _, labels in batches] == [300, 300, 300], "the incomplete rest is dropped"
    files = sorted((data_root / "imagenet" / "train").rglob("*.JPEG"))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    plan = Batches(n=1000, batch_size=300, padding=0, seed=3, epoch=2)
    for number, ((pixels, labels), batch) in enumerate(zip(batches, plan, strict=True)):
        assert torch.equal(labels, batch.indices), "one image a class: the label is the sorted folder's number"
        words = crop_draws(300, 3, 2, number)
        for place in range(0, 300, 37):
            with Image.open(files[batch.indices[place]]) as image:
                seen = np.array(Cropped(8).train(image.convert("RGB"), words[place]))
            seen = seen[:, ::-1].copy() if batch.flips[place] else seen
            expected = normalise(torch.from_numpy(seen).permute(2, 0, 1)[None], mean, std)
            assert torch.equal(pixels[place], expected[0])


def test_flip_is_the_recipes_business_and_crop_padding_is_not():
    plain, flipped, padded = (
        torch.cat([pixels for pixels, _ in under(a_run(**recipe)).train_dataloader()])
        for recipe in ({"flip": False}, {"flip": True}, {"flip": False, "crop_padding": 3})
    )
    assert torch.equal(plain, padded)
    turned = (flipped == plain.flip(3)).flatten(1).all(1)
    assert ((flipped == plain).flatten(1).all(1) | turned).all()
    assert 380 < turned.sum() < 520


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("score_on", ["test", "held_out"])
def test_the_number_of_workers_changes_nothing(monkeypatch, workers, score_on):
    run = a_run(score_on=score_on, batch_size=100)
    alone = under(run, epoch=1)
    trained, scored = list(alone.train_dataloader()), list(alone.val_dataloader())
    monkeypatch.setenv("BAM_WORKERS", str(workers))
    helped = under(run, epoch=1)
    assert same(trained, list(helped.train_dataloader()))
    assert same(scored, list(helped.val_dataloader()))


def test_workers_really_decode_and_end_with_the_epoch(monkeypatch):
    monkeypatch.setenv("BAM_WORKERS", "2")
    batches = iter(under(a_run()).train_dataloader())
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    for _ in range(2):  # as Lightning does: it counts, and never asks for a batch after the last
        next(batches)
    gc.collect()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_ranks_batches_laid_end_to_end_are_the_batches_of_one(world_size):
    ranks = [
        list(under(a_run(), epoch=1, rank=rank, world_size=world_size).train_dataloader()) for rank in range(world_size)
    ]
    assert same(joined(ranks), list(under(a_run(), epoch=1).train_dataloader()))


def test_epochs_and_seeds_have_crops_of_their_own():
    order = Batches(n=1000, batch_size=300, padding=0, seed=3, epoch=0, crops=True)
    words = [next(iter(plan)).crops for plan in (order, order.__class__(**vars(order) | {"epoch": 1}))]
    assert not (words[0] == words[1]).any()
    assert not (crop_draws(2, 0, 0, 0) == crop_draws(2, 1, 0, 0)).any()
    assert not (crop_draws(2, 0, 0, 0) == crop_draws(2, 0, 0, 1)).any()


@pytest.mark.parametrize("world_size", [1, 2, 7, 9])
def test_each_scored_image_is_scored_by_one_rank_in_as_many_batches_as_the_others(world_size):
    ranks = [list(under(a_run(), rank=rank, world_size=world_size).val_dataloader()) for rank in range(world_size)]
    assert len({len(batches) for batches in ranks}) == 1, "DDP would wait for ever"
    assert max(len(labels) for batches in ranks for _, labels in batches) <= 100
    everything = [pair for batches in ranks for pair in batches]
    assert torch.cat([labels for _, labels in everything]).tolist() == list(range(1000))
    whole = torch.cat([pixels for pixels, _ in under(a_run()).val_dataloader()])
    assert torch.equal(torch.cat([pixels for pixels, _ in everything]), whole)


def test_the_scored_images_can_be_looked_at():
    images = under(a_run()).images
    pixels, labels = images.scored([999, 7])
    whole = torch.cat([pixels for pixels, _ in under(a_run()).val_dataloader()])
    assert labels.tolist() == [999, 7]
    assert torch.equal(normalise(pixels, images.mean, images.std), whole[[999, 7]])


def test_what_is_held_out_is_a_fifth_of_train():
    data = under(a_run(score_on="held_out", batch_size=100))
    kept, scored = data.images.train, data.images.test
    assert (len(kept), len(scored), data.images.shape) == (800, 200, (3, 8, 8))
    names = [*kept.names, *scored.names]
    assert sorted(names) == sorted(load(NET).train.names), "nothing of val"
    assert data.images.digest != load(NET).digest


def test_an_image_folder_too_large_for_memory_gives_the_same_batches(monkeypatch):
    for score_on in ("test", "held_out"):
        run = a_run(ZOO, score_on, batch_size=10, crop_padding=2)
        held = under(run, epoch=1)
        with monkeypatch.context() as small:
            small.setattr(image_folder, "MOST_BYTES", 48 * 3 * 9 * 8 - 1)
            streamed = under(run, epoch=1)
            assert isinstance(streamed.images, ImageFiles)
        assert not isinstance(held.images, ImageFiles)
        assert same(list(streamed.train_dataloader()), list(held.train_dataloader()))
        assert same(list(streamed.val_dataloader()), list(held.val_dataloader()))
    streamed.check(1)


def test_the_digest_knows_names_and_sizes(data_root, tmp_path, monkeypatch):
    for part, seed in (("train", 0), ("test", 40)):
        fill(tmp_path / "zoo" / part, 2, 5, seed=seed)
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    monkeypatch.setattr(image_folder, "MOST_BYTES", 1)
    before = load(ZOO).digest
    assert re.fullmatch(r"names\+sizes:[0-9a-f]{16}", before), "it says what it covers"
    assert load(ZOO).digest == before
    one = tmp_path / "zoo" / "test" / "n00000001" / "47.JPEG"
    content = one.read_bytes()
    one.write_bytes(content + b"\0")
    longer = load(ZOO).digest
    one.write_bytes(content)
    assert load(ZOO).digest == before
    one.rename(one.with_name("48b.JPEG"))
    assert len({before, longer, load(ZOO).digest}) == 3


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named_in_one_line(data_root, tmp_path, monkeypatch, workers):
    for part in ("train", "test"):
        fill(tmp_path / "zoo" / part, 2, 5)
        (tmp_path / "zoo" / part / "n00000000" / "3.JPEG").write_bytes(b"not a picture")
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    monkeypatch.setenv("BAM_WORKERS", str(workers))
    monkeypatch.setattr(image_folder, "MOST_BYTES", 1)
    monkeypatch.setattr(ImageFiles, "statistics", (torch.zeros(3), torch.ones(3)))
    data = under(a_run(ZOO, batch_size=10))
    for part, batches in (("train", data.train_dataloader()), ("test", data.val_dataloader())):
        with pytest.raises(ConfigError) as refusal:
            list(batches)
        broken = tmp_path / "zoo" / part / "n00000000" / "3.JPEG"
        assert str(refusal.value) == (
            f"cannot read the image {broken}: it is no JPEG, PNG, GIF, BMP, TIFF, WEBP, PPM or PGM"
        )


def refusal_of(spec):
    with pytest.raises(ConfigError) as refusal:
        load(spec)
    return str(refusal.value)


def test_without_imagenet_one_line_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    root = tmp_path / "imagenet"
    advice = (
        f"put the 1,281,167 train images at {root}/train/<class>/<image>.JPEG and the 50,000 validation images at "
        f"{root}/val/<class>/<image>.JPEG (classes n01440764 ...), or set BAM_DATA to the folder that holds 'imagenet'"
    )
    assert refusal_of(NET) == f"ImageNet: no {root}/train; {advice}"
    fill(root / "train", 3, 1)
    assert refusal_of(NET) == f"ImageNet: {root}/train holds 3 class folders, not 1000; {advice}"


def test_other_classes_in_val(data_root):
    one = data_root / "imagenet" / "val" / "n00000004"
    other = one.with_name("n00000004x")
    one.rename(other)
    try:
        assert (
            refusal_of(NET)
            == "ImageNet: train has a class folder 'n00000004' and val has none; both must hold the same class folders"
        )
    finally:
        other.rename(one)


def test_the_number_of_workers(monkeypatch):
    monkeypatch.setenv("BAM_WORKERS", "5")
    assert worker_count() == 5
    monkeypatch.delenv("BAM_WORKERS")
    monkeypatch.setattr(stream, "cores", lambda: 12)
    assert worker_count() == 11
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert worker_count() == 2
    monkeypatch.setenv("BAM_RANKS_HERE", "6")
    assert worker_count() == 1
    monkeypatch.setenv("BAM_RANKS_HERE", "1")
    assert worker_count() == 2
    monkeypatch.setattr(stream, "cores", lambda: 2)
    assert worker_count() == 0
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    monkeypatch.setattr(stream, "cores", lambda: 64)
    assert worker_count() == 16


@pytest.mark.parametrize("text", ["-1", "two", "1.5"])
def test_a_number_of_workers_that_is_none(monkeypatch, text):
    monkeypatch.setenv("BAM_WORKERS", text)
    with pytest.raises(ConfigError) as refusal:
        under(a_run()).check(1)
    assert str(refusal.value) == f"BAM_WORKERS={text}: must be a whole number of worker processes per rank, 0 or more"
