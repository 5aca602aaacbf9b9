"""A run's network: where attention stands, what it shares with its siblings, and what building leaves alone."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lightning_bam import (
    CIFAR10,
    AfterStages,
    BAMSpec,
    CBAMSpec,
    ConfigError,
    Digits,
    EveryBlock,
    PreResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    Run,
    SESpec,
    SmallResNet,
    WideResNet,
    insert,
)
from lightning_bam.backbones import build, build_backbone, places
from lightning_bam.config import KINDS

TINY = {
    "small_resnet": SmallResNet(width=4),
    "resnet18": ResNet18(width=4),
    "resnet34": ResNet34(width=4),
    "resnet50": ResNet50(width=4),
    "resnet101": ResNet101(width=4),
    "wrn28": WideResNet(widen=1),
    "preresnet": PreResNet(depth=20),
    "resnext29": ResNeXt29(cardinality=2, group_width=4),
}
FEW = ["small_resnet", "resnet50", "wrn28", "preresnet"]


def test_every_backbone_has_a_tiny_form():
    assert set(TINY) == set(KINDS["backbone"])
    assert {kind: spec.kind for kind, spec in TINY.items()} == {kind: kind for kind in TINY}


@pytest.mark.parametrize("kind", TINY)
def test_stages_of_the_description_are_those_of_the_network(kind):
    assert len(build_backbone(TINY[kind], 3, 7).stages) == TINY[kind].stages


@pytest.mark.parametrize("dataset", [CIFAR10(), Digits()], ids=lambda d: d.kind)
@pytest.mark.parametrize("kind", TINY)
def test_images_of_any_dataset_become_logits(kind, dataset):
    network = build(Run(dataset=dataset, backbone=TINY[kind], attention=BAMSpec(reduction=2))).eval()
    assert network(torch.randn(2, *dataset.shape)).shape == (2, dataset.classes)


PLACES = [
    (SmallResNet(), AfterStages(), ["layer1", "layer2"]),
    (ResNet18(width=4), AfterStages(), ["layer1", "layer2", "layer3"]),
    (ResNet18(width=4), AfterStages(stages=(2, 4)), ["layer2", "layer4"]),
    (ResNeXt29(), AfterStages(stages=(1, 2, 3)), ["layer1", "layer2", "layer3"]),
    (SmallResNet(), EveryBlock(), ["layer1.0.bn2", "layer2.0.bn2", "layer3.0.bn2"]),
    (
        ResNeXt29(cardinality=1, group_width=4),
        EveryBlock(),
        [f"layer{stage}.{block}.bn3" for stage in (1, 2, 3) for block in (0, 1, 2)],
    ),
    (WideResNet(widen=1), EveryBlock(), [f"layer{s}.{b}.conv2" for s in (1, 2, 3) for b in (0, 1, 2, 3)]),
    (PreResNet(depth=11), EveryBlock(), ["layer1.0.conv3", "layer2.0.conv3", "layer3.0.conv3"]),
]


@pytest.mark.parametrize(("backbone", "placement", "names"), PLACES, ids=str)
def test_places(backbone, placement, names):
    assert places(build_backbone(backbone, 3, 7), placement) == names


def test_a_stage_too_many():
    with pytest.raises(ConfigError) as caught:
        build(Run(attention=BAMSpec(reduction=4), placement=AfterStages(stages=(1, 4))))
    assert str(caught.value) == "placement.stages=1,4: this network has 3 stages"


def test_a_reduction_too_high_names_the_layer():
    with pytest.raises(ConfigError) as caught:
        build(Run(backbone=SmallResNet(width=4), attention=BAMSpec(reduction=8)))
    assert str(caught.value) == (
        "layer 'layer1': reduction=8: 4 channels are fewer than that and leave no hidden channel; "
        "use a reduction of at most 4"
    )


class Scale(nn.Module):
    """Stands where attention would."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


@pytest.mark.parametrize("kind", TINY)
def test_in_every_block_it_acts_on_the_residual_branch_before_the_addition(kind):
    # a branch that is multiplied by 0 leaves each block its shortcut alone
    network = build_backbone(TINY[kind], 3, 7).eval()
    at = places(network, EveryBlock())
    insert(network, lambda _: Scale(0), at=at, input_shape=(3, 8, 8))
    seen = []
    for name in network.blocks:
        network.get_submodule(name).register_forward_hook(lambda m, i, out: seen.append((m, i[0], out)))
    network(torch.randn(2, 3, 8, 8))
    assert len(seen) == len(network.blocks) == len(at)
    for block, x, y in seen:
        source = torch.relu(block.bn1(x)) if kind in ("wrn28", "preresnet") else x
        shortcut = x if block.downsample is None else block.downsample(source)
        expected = shortcut if kind in ("wrn28", "preresnet") else torch.relu(shortcut)
        torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("kind", TINY)
def test_after_a_stage_it_acts_on_what_the_stage_gives(kind):
    torch.manual_seed(0)
    network = build_backbone(TINY[kind], 3, 7).eval()
    x = torch.randn(2, 3, 8, 8)
    given = []
    network.get_submodule("layer2").register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    network(x)
    insert(network, lambda _: Scale(3), at=["layer1"], input_shape=(3, 8, 8))
    network(x)
    torch.testing.assert_close(given[-1], 3 * given[0])


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
