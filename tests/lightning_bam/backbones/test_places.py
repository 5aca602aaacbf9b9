"""Where attention stands in a network, and what it acts on there."""

import pytest
import torch
from torch import nn

from lightning_bam import (
    CIFAR10,
    AfterStages,
    BAMSpec,
    ConfigError,
    DenseNet,
    Digits,
    EveryBlock,
    ExtraBlockSpec,
    MobileNet,
    PreResNet,
    ResNet18,
    ResNet50,
    ResNeXt29,
    ResNeXt50,
    Run,
    SmallResNet,
    SqueezeNet,
    WideResNet,
    insert,
)
from lightning_bam.backbones import build_backbone, places
from lightning_bam.config import KINDS
from lightning_bam.network import build
from lightning_bam.probe import outputs
from tests.lightning_bam.backbones.tiny import RESIDUAL, TINY


def test_every_backbone_has_a_tiny_form():
    assert set(TINY) == set(KINDS["backbone"]) - {"faster_rcnn", "ssd", "timm", "torchvision"}
    assert {kind: spec.kind for kind, spec in TINY.items()} == {kind: kind for kind in TINY}


@pytest.mark.parametrize("kind", TINY)
def test_stages_of_the_description_are_those_of_the_network(kind):
    assert len(build_backbone(TINY[kind], 3, 7).stages) == TINY[kind].stage_count


@pytest.mark.parametrize("dataset", [CIFAR10(), Digits()], ids=lambda d: d.kind)
@pytest.mark.parametrize("kind", TINY)
def test_images_of_any_dataset_become_logits(kind, dataset):
    if kind == "squeezenet1_1" and dataset.shape[1] < 17:
        pytest.skip("too small for it, as test_images_too_small says")
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
    (ResNet50(stem="imagenet"), AfterStages(), ["layer1", "layer2", "layer3"]),
    (ResNeXt50(), AfterStages(), ["layer1", "layer2", "layer3"]),
    (
        DenseNet(),
        AfterStages(),
        ["features.denseblock1", "features.transition1", "features.denseblock2", "features.transition2"],
    ),
    (DenseNet(), AfterStages(stages=(2, 5)), ["features.transition1", "features.denseblock3"]),
    (
        DenseNet(depth=16),
        EveryBlock(),
        [f"features.denseblock{block}.denselayer{i}.conv2" for block in (1, 2, 3) for i in (1, 2)],
    ),
    (MobileNet(), AfterStages(), ["layer1", "layer2", "layer3"]),
    (
        MobileNet(),
        EveryBlock(),
        ["stem.block"] + [f"layer{s}.{i}" for s, n in ((1, 2), (2, 2), (3, 6), (4, 2)) for i in range(n)],
    ),
    (SqueezeNet(), AfterStages(), ["features.2", "features.4", "features.7"]),
    (SqueezeNet(), EveryBlock(), [f"features.{i}" for i in (3, 4, 6, 7, 9, 10, 11, 12)]),
    (PreResNet(depth=11), EveryBlock(), ["layer1.0.conv3", "layer2.0.conv3", "layer3.0.conv3"]),
]


@pytest.mark.parametrize(("backbone", "placement", "names"), PLACES, ids=str)
def test_places(backbone, placement, names):
    assert places(build_backbone(backbone, 3, 7), placement, backbone) == names


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


WIDTHS = {
    ResNet50(stem="imagenet"): [256, 512, 1024],
    ResNet18(stem="imagenet", width=96): [96, 192, 384],
    DenseNet(): [216, 108, 300, 150],
    MobileNet(): [128, 256, 512],
    MobileNet(width=0.7): [89, 179, 358],
    SqueezeNet(): [64, 128, 256],
    PreResNet(): [64, 128],
}


@pytest.mark.parametrize("backbone", WIDTHS, ids=str)
def test_channels_at_the_bottlenecks(backbone):
    with torch.device("meta"):
        network = build_backbone(backbone, 3, 7)
        found = outputs(network, network.bottlenecks, (3, 32, 32))
    assert network.bottlenecks == places(network, AfterStages(), backbone)
    assert [output.channels for output in found.values()] == WIDTHS[backbone]
    assert not any(output.last for output in found.values())


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            Run(dataset=Digits(), backbone=SqueezeNet()),
            "dataset=digits: squeezenet1_1 needs images of at least 17 x 17, got 8 x 8",
        ),
        (
            Run(attention=ExtraBlockSpec(), placement=EveryBlock()),
            "attention=extra_block placement=every_block: a block in every block is another network; "
            "use placement=after_stages",
        ),
        (
            Run(backbone=DenseNet(), attention=ExtraBlockSpec()),
            "layer 'features.denseblock1': attention=extra_block: a DenseNet has no block that keeps its 216 channels; "
            "use another backbone",
        ),
    ],
    ids=["images_too_small", "extra_block_in_every_block", "extra_block_of_a_densenet"],
)
def test_what_cannot_be_built(run, message):
    with pytest.raises(ConfigError) as caught:
        build(run)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", TINY)
def test_the_smallest_image(kind):
    network = build_backbone(TINY[kind], 3, 7).eval()
    size = network.smallest
    assert network(torch.randn(2, 3, size, size)).isfinite().all()
    if size > 1:
        with pytest.raises(RuntimeError):
            network(torch.randn(2, 3, size - 1, size - 1))


class Scale(nn.Module):
    """Stands where attention would."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


@pytest.mark.parametrize("kind", RESIDUAL)
def test_in_every_block_it_acts_on_the_residual_branch_before_the_addition(kind):
    # a branch that is multiplied by 0 leaves each block its shortcut alone
    network = build_backbone(TINY[kind], 3, 7).eval()
    at = places(network, EveryBlock(), TINY[kind])
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


FOLLOWS = {"densenet_bc": "features.transition1", "squeezenet1_1": "features.3"}


@pytest.mark.parametrize("kind", TINY)
def test_after_a_stage_it_acts_on_what_the_stage_gives(kind):
    torch.manual_seed(0)
    network = build_backbone(TINY[kind], 3, 7).eval()
    x = torch.randn(2, 3, 18, 18)
    given = []
    follows = FOLLOWS.get(kind, "layer2")
    network.get_submodule(follows).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    network(x)
    insert(network, lambda _: Scale(3), at=network.stages[:1], input_shape=(3, 18, 18))
    network(x)
    torch.testing.assert_close(given[-1], 3 * given[0])


def test_in_every_layer_of_a_densenet_it_acts_on_what_the_layer_adds():
    network = build_backbone(DenseNet(depth=10, growth=4), 3, 7).eval()
    insert(network, lambda _: Scale(0), at=places(network, EveryBlock(), DenseNet()), input_shape=(3, 8, 8))
    seen = []
    block = network.get_submodule("features.denseblock2")
    block.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    network(torch.randn(2, 3, 8, 8))
    x, y = seen[0]
    torch.testing.assert_close(y, torch.cat([x, torch.zeros(2, 4, 4, 4)], 1))
