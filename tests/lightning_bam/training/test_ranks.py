"""One step and several on one rank and on two: equal where batch norm allows, and different as it says elsewhere."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from torch import nn

from lightning_bam.backbones.layers import SharedDropout
from lightning_bam.config import BAMSpec, ClutteredDigits, Recipe, Run, SESpec, SmallResNet, SqueezeNet
from lightning_bam.data.datamodule import OnDevice, TrainBatches
from lightning_bam.data.load import load
from lightning_bam.network import build
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training import trainer
from lightning_bam.training.classifier import Classifier
from studies.job.devices import Slot
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.lightning_bam.backbones.tiny import TINY

RECIPE = Recipe(epochs=1, batch_size=16, lr=0.02, schedule="constant", crop_padding=2)
ONE_STEP = ClutteredDigits(size=20, fragments=2, train=16, test=20)
PLAIN = Run(dataset=ONE_STEP, backbone=SqueezeNet(), attention=SESpec(reduction=16), recipe=RECIPE, seed=5)
NORMED = replace(PLAIN, backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4, dilation=1, norm="maps"))
TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


def norms(network):
    """Return the names of the batch norms."""
    return [name for name, layer in network.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def trained(root, run, slot, body="exactly"):
    """Train a run in 64 bits in a process of its own; returns its folder and weights."""
    folder = RunFolder.of(root / f"{slot.device}{slot.ranks}", run)
    folder.describe(run)
    ask(forkserver(), "tests.lightning_bam.training.rank_bodies", body, (folder.path, slot))
    return folder, torch.load(folder.checkpoint, weights_only=True, map_location="cpu")["state_dict"]


def difference(ours, theirs):
    """Return the largest difference of two networks' weights and buffers."""
    assert set(ours) == set(theirs)
    return max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)


def figures(folder):
    names = ("train_loss", "loss", "error_top1", "scored")
    return [[line[name] for name in names] for line in folder.metrics()]


ALL = {
    "optimizer": "adamw",
    "optimizer_options": {"eps": 1e-3},  # a gradient of nothing but rounding is divided by it
    "clip_grad_norm": 0.1,
    "ema": 0.5,
    "mixup": 0.5,
    "cutmix": 1.0,
}


@pytest.mark.parametrize(
    ("steps", "epochs", "ranks", "knobs"), [(1, 1, 2, {}), (3, 2, 2, {}), (1, 1, 4, {}), (3, 2, 2, ALL)]
)
def test_ranks_train_a_network_without_batch_norm_as_one_does(tmp_path, steps, epochs, ranks, knobs):
    """In 64 bits, dropout, augmentation, attention and an order of the sums that is the only difference."""
    run = replace(PLAIN, dataset=replace(ONE_STEP, train=16 * steps), recipe=replace(RECIPE, epochs=epochs, **knobs))
    (one, alone), (two, together) = (trained(tmp_path, run, Slot(count)) for count in (1, ranks))
    assert norms(Classifier(run)) == []
    assert difference(alone, Classifier(run).state_dict()) > 1e-3
    assert difference(alone, together) < 1e-12
    for ours, theirs in zip(figures(one), figures(two), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    for alone, shared in zip(one.metrics(), two.metrics(), strict=True):
        assert alone["gates"] == {place: pytest.approx(gate, abs=2e-6) for place, gate in shared["gates"].items()}
        for line in (alone, shared):
            assert line["images_per_s"] == round(16 * steps / line["train_seconds"], 3), "of all ranks"
    first, shared = (folder.manifest().first_loss for folder in (one, two))
    assert first == pytest.approx(shared, rel=1e-12), "the mean over the ranks"
    assert (first == figures(one)[0][0]) == (steps == 1), "of the first step alone"


def test_on_the_cpu_each_rank_normalises_its_own_share(tmp_path):
    """Two ranks take the step that follows from two halves normalised apart, and keep the first rank's statistics."""
    (_, alone), (_, together) = (trained(tmp_path, NORMED, Slot(ranks)) for ranks in (1, 2))
    task = Classifier(NORMED).double().train()
    source = load(NORMED.dataset)
    for rank in (1, 0):  # the first rank last, since what is kept are its running statistics
        for name in norms(task):
            task.get_submodule(name).reset_running_stats()
        trainer = SimpleNamespace(current_epoch=0, global_rank=rank, world_size=2)
        batches = TrainBatches(NORMED, source, OnDevice(source, torch.device("cpu")), trainer)
        images, labels = next(iter(batches))
        (F.cross_entropy(task(images.double()), labels) / 2).backward()
    optimizer = torch.optim.SGD(task.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=5e-4)
    optimizer.step()
    assert difference(together, task.state_dict()) < 1e-12
    assert difference(together, alone) > 1e-3


@TWO_GPUS
@pytest.mark.parametrize("run", [PLAIN, NORMED], ids=["plain", "normed"])
def test_two_gpus_train_as_one_does(tmp_path, run):
    (_, alone), (_, together) = (trained(tmp_path, run, Slot(len(gpus), gpus)) for gpus in ((0,), (0, 1)))
    assert difference(alone, together) < 1e-10


@TWO_GPUS
def test_two_gpus_normalise_apart_where_the_recipe_says_so(tmp_path):
    run = replace(NORMED, recipe=replace(RECIPE, sync_batchnorm=False))
    (_, alone), (_, together) = (trained(tmp_path, run, Slot(len(gpus), gpus)) for gpus in ((0,), (0, 1)))
    assert difference(alone, together) > 1e-3


@pytest.mark.parametrize(
    ("asked", "device", "world", "given"),
    [
        (True, "cuda", 2, True),
        (False, "cuda", 2, False),
        (True, "cuda", 1, False),  # nothing to be in step with
        (True, "cpu", 2, False),  # torch has none there
    ],
)
def test_batch_norm_is_synchronised_between_gpus_unless_the_recipe_says_no(
    monkeypatch, tmp_path, asked, device, world, given
):
    arguments = {}
    monkeypatch.setattr(trainer.pl, "Trainer", lambda **kw: arguments.update(kw))
    run = replace(NORMED, recipe=replace(RECIPE, sync_batchnorm=asked))
    trainer.trainer(run, RunFolder.of(tmp_path, run), device, world, [], None)
    assert arguments["sync_batchnorm"] is given


def test_every_batch_norm_can_be_synchronised():
    """As Lightning does it; BAM's own norm of a broadcast map included. Checkpoints keep their names."""
    task = Classifier(NORMED)
    before, names = norms(task), list(task.state_dict())
    converted = TorchSyncBatchNorm().apply(task)
    assert all(isinstance(converted.get_submodule(name), nn.SyncBatchNorm) for name in before)
    assert len(before) == 9 + 2 * (2 + 4)  # the backbone, and each BAM's channel and spatial branch
    assert list(converted.state_dict()) == names


@pytest.mark.parametrize("backbone", TINY.values(), ids=TINY)
def test_no_network_drops_in_a_way_that_depends_on_the_ranks(backbone):
    network = build(replace(PLAIN, backbone=backbone, attention=None, dataset=ClutteredDigits(size=32)))
    dropouts = [layer for layer in network.modules() if "Dropout" in type(layer).__name__]
    assert all(type(layer) is SharedDropout for layer in dropouts)
    assert len(dropouts) == (backbone.kind == "squeezenet1_1")


def test_dropout_is_torchs_and_off_when_scored():
    layer, x = SharedDropout(0.3), torch.arange(1.0, 2002.0).reshape(3, 667)
    torch.manual_seed(4)
    dropped = layer(x)
    kept = dropped != 0
    assert torch.allclose(dropped[kept], x[kept] / 0.7)
    assert abs(float(kept.double().mean()) - 0.7) < 4 * (0.21 / 2001) ** 0.5
    torch.manual_seed(4)
    assert torch.equal(F.dropout(x, 0.3) != 0, kept)
    assert layer.eval()(x) is x
