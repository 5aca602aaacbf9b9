"""Where attention stands in a network, and what it acts on there."""

import pytest
import torch
from torch import nn

from lightning_bam import (
    CIFAR10,
    AfterStages,
    BAMSpec,
    ConfigError,
    Digits,
    EveryBlock,
    PreResNet,
    ResNet18,
    ResNeXt29,
    Run,
    SmallResNet,
    WideResNet,
    insert,
)
from lightning_bam.backbones import build, build_backbone, places
from lightning_bam.config import KINDS
from tests.backbones.tiny import TINY


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
        ResNeXt29(cardinality=1, base_width=4),
        EveryBlock(),
        [f"layer{stage}.{block}.bn3" for stage in (1, 2, 3) for block in (0, 1, 2)],
    ),
    (WideResNet(widen_factor=1), EveryBlock(), [f"layer{s}.{b}.conv2" for s in (1, 2, 3) for b in (0, 1, 2, 3)]),
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
