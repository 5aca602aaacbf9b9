"""What a run is on several ranks: synchronised batch norm where there are GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm

from lightning_bam import training
from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from lightning_bam.folder import RunFolder
from lightning_bam.module import Classifier

RUN = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    attention=BAMSpec(reduction=4, dilation=1, norm="maps"),
    recipe=Recipe(epochs=1, batch_size=64, crop_padding=0),
)


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
    monkeypatch.setattr(training.pl, "Trainer", lambda **kw: arguments.update(kw))
    run = replace(RUN, recipe=replace(RUN.recipe, sync_batchnorm=asked))
    training._trainer(run, RunFolder.of(tmp_path, run), device, world, [], None)
    assert arguments["sync_batchnorm"] is given


def test_every_batch_norm_can_be_synchronised():
    """As Lightning does it; BAM's own norm of a broadcast map included. Checkpoints keep their names."""
    task = Classifier(RUN)
    norms = [name for name, layer in task.named_modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    names = list(task.state_dict())
    converted = TorchSyncBatchNorm().apply(task)
    assert all(isinstance(converted.get_submodule(name), torch.nn.SyncBatchNorm) for name in norms)
    assert len(norms) == 9 + 2 * (2 + 4)  # the backbone, and each BAM's channel and spatial branch
    assert list(converted.state_dict()) == names
