"""Every count that this project rests on: of the structures, and of the paper's tables."""

from dataclasses import replace

import pytest
import torch
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

from lightning_bam import (
    CIFAR100,
    RELEASED_BAM,
    AfterStages,
    BAMSpec,
    Cost,
    PreResNet,
    ResNet18,
    ResNet50,
    ResNet101,
    ResNeXt29,
    Run,
    WideResNet,
    count,
    count_module,
)
from lightning_bam.network import build

PAPER = Run(dataset=CIFAR100(), backbone=ResNet50(stride_on="1x1"))

PLAIN = [
    (ResNet18(), 11_220_132, 555_468_800),
    (ResNet50(stride_on="1x1"), 23_705_252, 1_222_516_736),
    (ResNet50(stride_on="3x3"), 23_705_252, 1_298_014_208),
    (WideResNet(widen_factor=8), 23_401_012, 3_360_131_072),
    (ResNeXt29(stride_on="1x1"), 34_518_948, 4_984_705_024),
    (PreResNet(stride_on="1x1"), 1_726_388, 244_524_032),
]


@pytest.mark.parametrize(("backbone", "params", "macs"), PLAIN, ids=lambda value: getattr(value, "kind", None))
def test_plain_networks(backbone, params, macs):
    assert count(replace(PAPER, backbone=backbone)) == Cost(params=params, macs=macs)


@pytest.mark.parametrize(("stride_on", "macs"), [("1x1", 1_249_456_128), ("3x3", 1_324_953_600)])
def test_resnet50_with_the_released_structure(stride_on, macs):
    run = replace(PAPER, backbone=ResNet50(stride_on=stride_on), attention=RELEASED_BAM)
    assert count(run) == Cost(params=24_063_319, macs=macs)


RELEASED = [
    ({"reduction": 4}, 26_293_351),
    ({"reduction": 8}, 24_613_127),
    ({"reduction": 32}, 23_860_991),
    ({"branches": "channel"}, 23_879_412),
    ({"branches": "spatial"}, 23_889_159),
    ({"dilated_convs": 0}, 23_965_879),
    ({"dilated_convs": 1}, 24_014_599),
    ({"dilated_convs": 3}, 24_112_039),
    ({"norm": "both"}, 24_066_909),
    ({"dilation": 1, "combine": "max"}, 24_063_319),
]


@pytest.mark.parametrize(("knobs", "params"), RELEASED, ids=str)
def test_parameters_of_resnet50_with_the_released_structure_but(knobs, params):
    assert count(replace(PAPER, attention=replace(RELEASED_BAM, **knobs))).params == params


@pytest.mark.parametrize(("stage", "params"), [(1, 23_722_613), (2, 23_773_765), (3, 23_977_445)])
def test_parameters_of_resnet50_with_one_module(stage, params):
    run = replace(PAPER, attention=RELEASED_BAM, placement=AfterStages(stages=(stage,)))
    assert count(run).params == params


@pytest.mark.parametrize(("stride_on", "macs"), [("1x1", 3_857_973_248), ("3x3", 4_089_184_256)])
def test_torchvisions_resnet50_on_imagenet(stride_on, macs):
    with torch.device("meta"):
        network = resnet50(weights=None)
    for block in network.modules():
        if isinstance(block, Bottleneck) and stride_on == "1x1":
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    assert count_module(network, (3, 224, 224)) == Cost(params=25_557_032, macs=macs)


DIMENSIONS = [
    (ResNet50(width=8), ResNet50(width=16)),
    (WideResNet(widen_factor=1), WideResNet(widen_factor=2)),
    (PreResNet(depth=11), PreResNet(depth=20)),
    (ResNeXt29(cardinality=1, base_width=4), ResNeXt29(cardinality=2, base_width=4)),
    (ResNeXt29(cardinality=2, base_width=4), ResNeXt29(cardinality=2, base_width=8)),
    (ResNeXt29(cardinality=2, base_width=4), ResNeXt29(cardinality=4, base_width=2)),
]


@pytest.mark.parametrize(("one", "two"), DIMENSIONS, ids=str)
def test_knobs_of_size_change_the_counts(one, two):
    assert count(replace(PAPER, backbone=one)).params != count(replace(PAPER, backbone=two)).params


@pytest.mark.parametrize("backbone", [ResNet50, ResNet101, PreResNet, ResNeXt29])
def test_the_place_of_the_stride_changes_macs_alone(backbone):
    first, second = (count(replace(PAPER, backbone=backbone(stride_on=where))) for where in ("1x1", "3x3"))
    assert first.params == second.params
    assert first.macs < second.macs


def test_counting_changes_nothing():
    network = build(Run(attention=BAMSpec(reduction=4)))
    network.layer1.eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    count_module(network, (3, 32, 32))
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
