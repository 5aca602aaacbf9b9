"""A run's network: what it shares with its siblings, and what building leaves alone."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_bam import AfterStages, BAMSpec, CBAMSpec, EveryBlock, ResNet50, Run, SESpec
from lightning_bam.network import build
from tests.lightning_bam.backbones.tiny import TINY

FEW = ["small_resnet", "resnet50", "wrn28", "preresnet"]

VARIANTS = {
    "bam": {"attention": BAMSpec(reduction=2)},
    "released": {"attention": BAMSpec(reduction=2, norm="hidden", combine="product", init="kaiming")},
    "se": {"attention": SESpec(reduction=2), "placement": EveryBlock()},
    "cbam": {"attention": CBAMSpec(reduction=2), "placement": AfterStages(stages=(2,))},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", FEW)
def test_every_variant_starts_from_the_same_backbone(kind, variant):
    plain = build(Run(backbone=TINY[kind], seed=3)).state_dict()
    refined = build(Run(backbone=TINY[kind], seed=3, **VARIANTS[variant])).state_dict()
    assert [name for name, value in plain.items() if not torch.equal(refined[name], value)] == []
    assert all(".attention." in name for name in set(refined) - set(plain))


def attention_at(layer, seed=3, backbone=TINY["resnet18"], placement=AfterStages(), **knobs):  # noqa: B008
    run = Run(backbone=backbone, attention=BAMSpec(**({"reduction": 2} | knobs)), placement=placement, seed=seed)
    return build(run).get_submodule(f"{layer}.attention").state_dict()


def equal(one, two):
    shared = one.keys() & two.keys()
    assert shared
    return all(torch.equal(one[name], two[name]) for name in shared)


def test_attention_weights_do_not_depend_on_the_other_places():
    assert equal(attention_at("layer2"), attention_at("layer2", placement=AfterStages(stages=(2,))))
    assert equal(attention_at("layer2"), attention_at("layer2", placement=AfterStages(stages=(1, 2, 4))))


@pytest.mark.parametrize(
    "knobs",
    [
        {"combine": "product"},
        {"combine": "max"},
        {"dilation": 1},
        {"residual": False},
        {"activation": "none"},
        {"norm": "hidden"},
        {"norm": "both"},
        {"branches": "channel"},
    ],
    ids=str,
)
def test_attention_weights_do_not_depend_on_knobs_without_shapes(knobs):
    assert equal(attention_at("layer2"), attention_at("layer2", **knobs))


def test_attention_weights_depend_on_seed_and_place():
    wide = ResNet50(width=4)
    assert not equal(attention_at("layer2"), attention_at("layer2", seed=4))
    at = [attention_at(f"layer1.{block}.bn3", backbone=wide, placement=EveryBlock()) for block in (0, 1)]
    assert not equal(*at)


def test_backbone_weights_depend_on_the_seed_alone():
    one, again, other = (build(Run(seed=seed)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed == {name for name in one if "conv" in name or "fc" in name or "downsample.0" in name}


def test_building_does_not_depend_on_nor_touch_the_global_random_state():
    run = Run(attention=BAMSpec(reduction=4))
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    one = build(run).state_dict()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
    torch.manual_seed(2)
    two = build(run).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_building_leaves_the_accelerators_random_state(monkeypatch):
    # torch.manual_seed would seed them too
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("seeds cuda"))
    build(Run(attention=BAMSpec(reduction=4)))


@pytest.mark.parametrize("kind", FEW)
def test_probing_leaves_no_trace(kind):
    run = Run(backbone=TINY[kind], attention=BAMSpec(reduction=2))
    network = build(run)
    assert all(module.training for module in network.modules())
    assert {int(value) for name, value in network.named_buffers() if "tracked" in name} == {0}
    plain = build(replace(run, attention=None))
    assert sum(len(m._forward_hooks) for m in network.modules()) == sum(len(m._forward_hooks) for m in plain.modules())
