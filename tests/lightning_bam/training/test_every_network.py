"""One step of every network with every slot, at the smallest width and on tiny synthetic images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lightning_bam import (
    BAMSpec,
    CBAMSpec,
    ClutteredDigits,
    ConfigError,
    CoordinateAttentionSpec,
    ECASpec,
    EveryBlock,
    ExtraBlockSpec,
    GatherExciteSpec,
    GlobalContextSpec,
    ResNet18,
    ResNet50,
    ResNet101,
    Run,
    SESpec,
    SimAMSpec,
    SqueezeNet,
    TripletAttentionSpec,
    build,
)
from lightning_bam.config import AfterStages
from lightning_bam.training.classifier import Classifier
from lightning_bam.training.image_module import memory_format
from tests.lightning_bam.backbones.tiny import TINY

NETWORKS = TINY | {
    "resnet18 imagenet": ResNet18(width=4, stem="imagenet"),
    "resnet50 imagenet": ResNet50(width=4, stem="imagenet", stride_on="1x1"),
    "resnet101 imagenet": ResNet101(width=4, stem="imagenet"),
}
SLOTS = {
    "none": {},
    "BAM": {"attention": BAMSpec(reduction=2)},
    "BAM maps": {"attention": BAMSpec(reduction=2, norm="maps", combine="product")},
    "BAM in every block": {"attention": BAMSpec(reduction=2), "placement": EveryBlock()},
    "SE": {"attention": SESpec(reduction=2), "placement": EveryBlock()},
    "CBAM": {"attention": CBAMSpec(reduction=2)},
    "ECA": {"attention": ECASpec(), "placement": EveryBlock()},
    "SimAM": {"attention": SimAMSpec()},
    "coordinate": {"attention": CoordinateAttentionSpec()},
    "GC": {"attention": GlobalContextSpec(reduction=1, fusion="both")},
    "triplet": {"attention": TripletAttentionSpec()},
    "GE": {"attention": GatherExciteSpec(extent=4, gather="conv", mlp=True, reduction=2)},
    "extra block": {"attention": ExtraBlockSpec(), "placement": AfterStages()},
}


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step(name, slot):
    run = Run(dataset=ClutteredDigits(), backbone=NETWORKS[name], **SLOTS[slot], seed=3)
    if (name, slot) == ("densenet_bc", "extra block"):
        with pytest.raises(ConfigError):
            build(run)
        return
    network = build(run)
    form = memory_format(network)
    network.to(memory_format=form)
    torch.manual_seed(5)
    images, labels = torch.randn(6, *run.dataset.shape), torch.randint(0, 10, (6,))
    before = [weight.detach().clone() for weight in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    loss = F.cross_entropy(network(images.contiguous(memory_format=form)), labels)
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    weights = list(zip(network.named_parameters(), before, strict=True))
    assert [key for (key, weight), _ in weights if weight.grad is None or not torch.isfinite(weight).all()] == []
    # a hidden layer of one or two units may be dead, and a bias before a batch norm moves nothing
    still = [key for (key, weight), old in weights if torch.equal(old, weight)]
    assert [key for key in still if "attention" not in key] == []
    moved = [key for (key, _), _ in weights if "attention" in key and key not in still]
    assert bool(moved) == (slot not in ("none", "SimAM"))
    network.eval()
    with torch.no_grad():
        assert torch.isfinite(network(images.contiguous(memory_format=form))).all()


def test_dropout_is_drawn_from_the_seed_epoch_and_batch():
    run = Run(dataset=ClutteredDigits(), backbone=SqueezeNet(), seed=3)
    task = Classifier(run).train()
    images, labels = torch.randn(4, *run.dataset.shape), torch.arange(4)
    torch.manual_seed(1)
    first = task.training_step((images, labels), 0)
    torch.manual_seed(2)
    assert torch.equal(task.training_step((images, labels), 0), first)
    assert not torch.equal(task.training_step((images, labels), 1), first)
