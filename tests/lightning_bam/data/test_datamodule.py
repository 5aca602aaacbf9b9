"""The datamodule under a real Trainer: epochs, resumption, ranks, and what it refuses."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lightning_bam.config import ClutteredDigits, ConfigError, Digits, Recipe, Run
from lightning_bam.data import Batches, ImageData, augment, load, normalise

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning's own, on torch 2.14

SPEC = ClutteredDigits(size=20, train=100, test=1030, fragments=1)


def a_run(dataset=SPEC, score_on="test", seed=3, **recipe):
    return Run(dataset=dataset, seed=seed, score_on=score_on, recipe=Recipe(**{"epochs": 3, "batch_size": 32} | recipe))


def under(run, epoch=0, rank=0, world_size=1):
    """Return the run's data as a rank of a trainer sees it."""
    data = ImageData(run)
    data.trainer = SimpleNamespace(
        current_epoch=epoch,
        global_rank=rank,
        world_size=world_size,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data


def drawn(run, **place):
    return list(under(run, **place).train_dataloader())


class Witness(pl.LightningModule):
    """Learns next to nothing and remembers every batch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {}
        self.scored = {}

    def training_step(self, batch, batch_idx):
        self.seen.setdefault(self.trainer.current_epoch, []).append(batch)
        return self.weight * batch[0].mean()

    def validation_step(self, batch, batch_idx):
        self.scored.setdefault(self.trainer.current_epoch, []).append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(run, folder, epochs, resume=None):
    witness, data = Witness(), ImageData(run)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)],
        default_root_dir=folder,
    )
    trainer.fit(witness, data, ckpt_path=resume)
    return witness, data


def same(left, right):
    return len(left) == len(right) and all(
        torch.equal(a, b) for pair in zip(left, right, strict=True) for a, b in zip(*pair, strict=True)
    )


def test_a_batch_is_the_order_s_images_augmented_and_normalised():
    run, images = a_run(crop_padding=2), load(SPEC)
    plan = Batches(n=100, batch_size=32, padding=2, seed=3, epoch=4)
    batches = drawn(run, epoch=4)
    assert len(batches) == len(plan) == 3
    for (pixels, labels), batch in zip(batches, plan, strict=True):
        expected = augment(images.train[batch.indices], batch.offsets, batch.flips, 2)
        assert torch.equal(pixels, normalise(expected, images.mean, images.std))
        assert torch.equal(labels, images.train_labels[batch.indices])


def test_flip_and_crop_are_the_recipe_s_business():
    plain, flipped, cropped = (
        torch.cat([pixels for pixels, _ in drawn(a_run(crop_padding=padding, flip=flip))])
        for padding, flip in ((0, False), (0, True), (2, False))
    )
    mirrored = plain.flip(3)
    turned = (flipped == mirrored).flatten(1).all(1)
    assert ((flipped == plain).flatten(1).all(1) | turned).all()
    assert 20 < turned.sum() < 76
    assert 0.5 < (cropped != plain).flatten(1).any(1).float().mean() < 1


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_ranks_batches_laid_end_to_end_are_the_batches_of_one(world_size):
    ranks = [drawn(a_run(), epoch=1, rank=rank, world_size=world_size) for rank in range(world_size)]
    together = [tuple(torch.cat(parts) for parts in zip(*shares, strict=True)) for shares in zip(*ranks, strict=True)]
    assert same(together, drawn(a_run(), epoch=1))


def test_every_epoch_of_a_trainer_has_its_own_order(tmp_path):
    witness, _ = fit(a_run(), tmp_path, epochs=3)
    assert sorted(witness.seen) == [0, 1, 2]
    for epoch, batches in witness.seen.items():
        assert same(batches, drawn(a_run(), epoch=epoch))
    assert not same(witness.seen[0], witness.seen[1])


@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
@pytest.mark.parametrize("done", [1, 2])
def test_a_resumed_run_sees_what_an_unbroken_one_does(tmp_path, done):
    unbroken, _ = fit(a_run(), tmp_path / "unbroken", epochs=3)
    fit(a_run(), tmp_path / "broken", epochs=done)
    resumed, _ = fit(a_run(), tmp_path / "resumed", epochs=3, resume=tmp_path / "broken" / f"epoch={done - 1}.ckpt")
    assert sorted(resumed.seen) == list(range(done, 3))
    for epoch, batches in resumed.seen.items():
        assert same(batches, unbroken.seen[epoch])


def test_another_seed_sees_another_order_of_the_same_images():
    first, second = drawn(a_run(seed=3)), drawn(a_run(seed=4))
    assert not same(first, second)
    assert under(a_run(seed=3)).images.digest == under(a_run(seed=4)).images.digest


def test_the_whole_test_set_is_scored_in_order_after_each_epoch(tmp_path):
    witness, _ = fit(a_run(), tmp_path, epochs=2)
    images = load(SPEC)
    assert sorted(witness.scored) == [0, 1]
    for batches in witness.scored.values():
        assert [len(labels) for _, labels in batches] == [500, 500, 30]
        assert torch.equal(torch.cat([labels for _, labels in batches]), images.test_labels)
        pixels = torch.cat([pixels for pixels, _ in batches])
        assert torch.equal(pixels, normalise(images.test, images.mean, images.std))


def test_every_rank_scores_the_whole_set():
    assert same(list(under(a_run(), rank=1, world_size=2).val_dataloader()), list(under(a_run()).val_dataloader()))


def test_what_is_held_out_is_scored_and_not_trained_on():
    data = under(a_run(score_on="held_out"))
    assert data.images.digest == load(SPEC).held_out().digest
    assert len(data.train_dataloader()) == 80 // 32
    assert sum(len(labels) for _, labels in data.val_dataloader()) == 20


def test_the_lengths_are_what_is_yielded():
    data = under(a_run())
    for loader in (data.train_dataloader(), data.val_dataloader()):
        assert len(loader) == len(list(loader))


def test_the_first_batch_that_was_drawn_is_told(tmp_path):
    _, data = fit(a_run(), tmp_path, epochs=2)
    planned = next(iter(Batches(n=100, batch_size=32, padding=4, seed=3, epoch=0)))
    assert torch.equal(data.first_batch(), planned.indices)


def test_before_the_first_batch_there_is_none_to_tell():
    with pytest.raises(RuntimeError, match=r"^no batch has been drawn yet$"):
        under(a_run()).first_batch()


def test_without_a_trainer_there_are_no_batches():
    with pytest.raises(RuntimeError) as refusal:
        ImageData(a_run()).train_dataloader()
    assert str(refusal.value) == "ImageData has no trainer yet; pass it to Trainer.fit as the datamodule"


@pytest.mark.parametrize(
    ("recipe", "world_size", "line"),
    [
        (
            {"batch_size": 33},
            2,
            "recipe.batch_size=33 cannot be shared equally by 2 devices; set it to a multiple of 2, at least 4, or use "
            "another number of devices per run",
        ),
        (
            {"batch_size": 4},
            4,
            "recipe.batch_size=4 on 4 devices is one training sample per device, of which batch norm has no variance; "
            "raise recipe.batch_size or use fewer devices per run",
        ),
        (
            {"batch_size": 128},
            1,
            "recipe.batch_size=128 is more than the 100 train images, and an incomplete batch is dropped; "
            "set it to 100 or less",
        ),
        (
            {"crop_padding": 20},
            1,
            "recipe.crop_padding=20 can push a 20x20 image out of its crop entirely; set it below 20, "
            "or to 0 for no crop",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(recipe, world_size, line):
    with pytest.raises(ConfigError) as refusal:
        ImageData(a_run(**recipe)).check(world_size)
    assert str(refusal.value) == line


@pytest.mark.parametrize(
    ("recipe", "world_size"),
    [({"batch_size": 2}, 1), ({"batch_size": 4}, 2), ({"batch_size": 100, "crop_padding": 19}, 1)],
)
def test_what_can_just_be_trained_is_accepted(recipe, world_size):
    ImageData(a_run(**recipe)).check(world_size)


def test_small_grey_images_are_accepted_too():
    data = under(a_run(dataset=Digits(), crop_padding=1))
    data.check(1)
    pixels, labels = next(iter(data.train_dataloader()))
    assert pixels.shape == (32, 1, 8, 8)
    assert labels.shape == (32,)


def test_training_leaves_the_images_as_they_were(tmp_path):
    _, data = fit(a_run(), tmp_path, epochs=1)
    assert torch.equal(data.images.train, load(SPEC).train)
