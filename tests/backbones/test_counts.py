"""Every count that this project rests on: of the structures, and of the paper's tables."""

from dataclasses import replace

import pytest
import torch
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

from lightning_bam import (
    BAM,
    CIFAR100,
    RELEASED_BAM,
    AfterStages,
    BAMSpec,
    Cost,
    EveryBlock,
    PreResNet,
    ResNet18,
    ResNet50,
    ResNet101,
    ResNeXt29,
    Run,
    SESpec,
    WideResNet,
    count,
    count_module,
)
from lightning_bam.backbones import build

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


# tables 2, 3a and 5 of the paper on CIFAR-100: backbone, millions of parameters and G MACs
# of the plain net, with BAM after stages, with BAM in every block, with SE in every block
PRINTED = {
    "resnet50": (ResNet50(stride_on="1x1"), ("23.71", "1.22"), ("24.07", "1.25"), ("28.98", "1.37"), ("26.24", "1.23")),
    "resnet101": (ResNet101(stride_on="1x1"), ("42.70", "2.44"), ("43.06", "2.46"), None, None),
    "preresnet110": (
        PreResNet(stride_on="1x1"),
        ("1.726", "0.245"),
        ("1.733", "0.246"),
        ("2.17", "0.275"),
        ("1.93", "0.245"),
    ),
    "wrn28_8": (WideResNet(widen_factor=8), ("23.40", "3.36"), ("23.42", "3.37"), ("23.78", "3.39"), ("23.58", "3.36")),
    "wrn28_10": (WideResNet(widen_factor=10), ("36.54", "5.24"), ("36.57", "5.25"), None, None),
    "resnext29_8x64d": (ResNeXt29(stride_on="1x1"), ("34.52", "4.99"), ("34.61", "5.00"), ("35.60", "5.07"), None),
    "resnext29_16x64d": (
        ResNeXt29(cardinality=16, stride_on="1x1"),
        ("68.25", "9.88"),
        ("68.34", "9.90"),
        None,
        ("68.81", "9.88"),
    ),
}
VARIANTS = [None, (RELEASED_BAM, AfterStages()), (RELEASED_BAM, EveryBlock()), (SESpec(), EveryBlock())]
ROWS = [
    pytest.param(backbone, variant, *printed, id=f"{name}-{label}")
    for name, (backbone, *cells) in PRINTED.items()
    for label, variant, printed in zip(["plain", "bam", "bam_every_block", "se"], VARIANTS, cells, strict=True)
    if printed is not None
]


def digits(value, printed, unit):
    return f"{value / unit:.{len(printed.split('.')[1])}f}"


@pytest.mark.parametrize(("backbone", "variant", "params", "gmacs"), ROWS)
def test_the_papers_counts(backbone, variant, params, gmacs, request):
    run = replace(PAPER, backbone=backbone)
    if variant is not None:
        run = replace(run, attention=variant[0], placement=variant[1])
    with torch.device("meta"):
        network = build(run)
    cost = count_module(network, run.dataset.shape)
    # the paper's counts are the released structure and 4 C more norm parameters in each module (an open layout)
    extra = sum(4 * module.channel.fc_out.out_features for module in network.modules() if isinstance(module, BAM))
    row = request.node.callspec.id
    assert digits(cost.params + extra, params, 1e6) == NOT_REACHED.get(row, params)
    assert digits(cost.macs, gmacs, 1e9) == ONE_DIGIT_LESS.get(row, gmacs)


# the note in published.csv has the second
NOT_REACHED = {"resnext29_8x64d-bam_every_block": "35.61", "resnext29_16x64d-se": "68.77"}
# 2.4347, 3.3646 and 4.9847: whatever the paper rounded, it was a few 100,000 more
ONE_DIGIT_LESS = {"resnet101-plain": "2.43", "wrn28_8-bam": "3.36", "resnext29_8x64d-plain": "4.98"}


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
