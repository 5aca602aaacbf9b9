"""The networks' forward against torchvision's with the same weights, and against the papers' formulas."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import densenet, squeezenet1_1
from torchvision.models import resnet as zoo

from lightning_bam import (
    DenseNet,
    MobileNet,
    PreResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    SmallResNet,
    SqueezeNet,
    WideResNet,
)
from lightning_bam.backbones import build_backbone


def randomise(network):
    """Give norms weights and statistics that matter, in float64."""
    generator = torch.Generator().manual_seed(0)
    network.double().eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5)
            if name.endswith(("bias", "mean")):
                tensor.sub_(1)
    return network


def images(size):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def small_images(network, width):
    """Make torchvision's network the CIFAR one: another stem, no max-pool."""
    network.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network.double().eval()


def stride_first(network):
    for block in network.modules():
        if isinstance(block, zoo.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return network


THEIRS = {
    "resnet18": (ResNet18(), lambda: zoo.resnet18(num_classes=7)),
    "resnet34": (ResNet34(), lambda: zoo.resnet34(num_classes=7)),
    "resnet50-3x3": (ResNet50(), lambda: zoo.resnet50(num_classes=7)),
    "resnet50-1x1": (ResNet50(stride_on="1x1"), lambda: stride_first(zoo.resnet50(num_classes=7))),
    "resnet101": (ResNet101(), lambda: zoo.resnet101(num_classes=7)),
}


@pytest.mark.parametrize("name", THEIRS)
def test_as_torchvision(name):
    spec, make = THEIRS[name]
    ours, theirs = randomise(build_backbone(spec, 3, 7)), small_images(make(), 64)
    theirs.load_state_dict(ours.state_dict())
    for size in ((8, 8), (5, 11)):
        torch.testing.assert_close(ours(images(size)), theirs(images(size)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride_on", ["3x3", "1x1"])
@pytest.mark.parametrize("size", [(8, 8), (5, 11)], ids=str)
def test_resnext_as_torchvision(stride_on, size):
    spec = ResNeXt29(cardinality=4, base_width=8, stride_on=stride_on)
    ours = randomise(build_backbone(spec, 3, 7))
    theirs = zoo.ResNet(zoo.Bottleneck, [3, 3, 3, 1], num_classes=7, groups=4, width_per_group=8)
    theirs.layer4, theirs.fc = nn.Identity(), nn.Linear(1024, 7)
    theirs = small_images(stride_first(theirs) if stride_on == "1x1" else theirs, 64)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(images(size)), theirs(images(size)), rtol=1e-10, atol=1e-10)


IMAGENET = {
    "resnet18": (ResNet18(stem="imagenet"), zoo.resnet18),
    "resnet34": (ResNet34(stem="imagenet"), zoo.resnet34),
    "resnet50": (ResNet50(stem="imagenet"), zoo.resnet50),
    "resnet50-1x1": (ResNet50(stem="imagenet", stride_on="1x1"), lambda: stride_first(zoo.resnet50())),
    "resnet101": (ResNet101(stem="imagenet"), zoo.resnet101),
    "resnext50": (ResNeXt50(), zoo.resnext50_32x4d),
    "resnext50-1x1": (ResNeXt50(stride_on="1x1"), lambda: stride_first(zoo.resnext50_32x4d())),
    "squeezenet": (SqueezeNet(), squeezenet1_1),
}


@pytest.mark.parametrize("name", IMAGENET)
def test_a_torchvision_state_dict_loads_and_gives_the_same(name):
    spec, make = IMAGENET[name]
    theirs, ours = randomise(make()), build_backbone(spec, 3, 1000).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for size in ((64, 64), (37, 51)):
        with torch.no_grad():
            torch.testing.assert_close(ours(images(size)), theirs(images(size)), rtol=1e-6, atol=1e-6)


def test_the_imagenet_stem_keeps_64_channels_whatever_the_width():
    network = build_backbone(ResNet18(stem="imagenet", width=96), 1, 7)
    assert network.conv1.weight.shape == (64, 1, 7, 7)
    assert [network.get_submodule(stage)[-1].conv2.out_channels for stage in network.stages] == [96, 192, 384, 768]
    theirs = zoo.ResNet(zoo.BasicBlock, [1, 1, 1, 1])
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 7)
    assert network.maxpool.kernel_size == theirs.maxpool.kernel_size


@pytest.mark.parametrize(("depth", "growth"), [(10, 3), (16, 4)])
def test_densenet_as_torchvision(depth, growth):
    ours = randomise(build_backbone(DenseNet(depth=depth, growth=growth), 3, 7))
    theirs = densenet.DenseNet(growth, ((depth - 4) // 6,) * 3, 2 * growth, num_classes=7).double().eval()
    theirs.features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False).double()
    theirs.features.norm0 = theirs.features.relu0 = theirs.features.pool0 = nn.Identity()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for size in ((8, 8), (5, 11)):
        torch.testing.assert_close(ours(images(size)), theirs(images(size)), rtol=1e-10, atol=1e-10)


def separable(state, name, x, stride):
    """Formula of section 3.1 of the MobileNet paper, one channel after another."""
    kernel = state[f"{name}.conv1.weight"]
    x = torch.cat([F.conv2d(x[:, [c]], kernel[[c]], stride=stride, padding=1) for c in range(x.shape[1])], 1)
    x = normed(state, f"{name}.bn1", x)
    return normed(state, f"{name}.bn2", torch.einsum("nchw,oc->nohw", x, state[f"{name}.conv2.weight"][:, :, 0, 0]))


def normed(state, name, x):
    mean, var, w, b = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    return F.relu(F.batch_norm(x, mean, var, w, b))


@pytest.mark.parametrize("size", [(32, 32), (19, 45)], ids=str)
def test_mobilenet(size):
    network = randomise(build_backbone(MobileNet(width=0.11), 3, 7))
    state = network.state_dict()
    x = F.conv2d(images(size), state["stem.conv.weight"], stride=2, padding=1)
    x = separable(state, "stem.block", normed(state, "stem.bn", x), 1)
    assert x.shape[1] == 7
    for stage, blocks in ((1, 2), (2, 2), (3, 6), (4, 2)):
        for block in range(blocks):
            x = separable(state, f"layer{stage}.{block}", x, 1 if block else 2)
        assert x.shape[1] == [14, 28, 56, 112][stage - 1]
    expected = F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])
    torch.testing.assert_close(network(images(size)), expected, rtol=1e-10, atol=1e-10)


def preactivated(state, x, convs, blocks, stride_on):
    """The formulas of the two pre-activation papers, from a state dict."""
    x = F.conv2d(x, state["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for index in range(blocks):
            block = f"layer{stage}.{index}"
            step = 2 if stage > 1 and index == 0 else 1
            active = v = normed(state, f"{block}.bn1", x)
            for conv in range(1, convs + 1):
                weight = state[f"{block}.conv{conv}.weight"]
                v = v if conv == 1 else normed(state, f"{block}.bn{conv}", v)
                carries = conv == (2 if convs == 3 and stride_on == "3x3" else 1)
                v = F.conv2d(v, weight, padding=weight.shape[2] // 2, stride=step if carries else 1)
            bare = state.get(f"{block}.downsample.weight")
            x = v + (x if bare is None else F.conv2d(active, bare, stride=step))
    return F.linear(normed(state, "bn", x).mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize("size", [(8, 8), (5, 11)], ids=str)
@pytest.mark.parametrize(
    ("spec", "convs", "blocks", "widths"),
    [
        (WideResNet(widen_factor=1), 2, 4, (16, 32, 64)),
        (WideResNet(widen_factor=3), 2, 4, (48, 96, 192)),
        (PreResNet(depth=11), 3, 1, (64, 128, 256)),
        (PreResNet(depth=29, stride_on="1x1"), 3, 3, (64, 128, 256)),
    ],
    ids=str,
)
def test_preactivated(spec, convs, blocks, widths, size):
    network = randomise(build_backbone(spec, 3, 7))
    expected = preactivated(network.state_dict(), images(size), convs, blocks, getattr(spec, "stride_on", "3x3"))
    torch.testing.assert_close(network(images(size)), expected, rtol=1e-10, atol=1e-10)
    ends = [network.get_submodule(network.branch_end(f"layer{stage}.0")).out_channels for stage in (1, 2, 3)]
    assert tuple(ends) == widths


def test_the_first_stage_of_a_net_as_wide_as_its_stem_has_no_shortcut_conv():
    network = build_backbone(WideResNet(widen_factor=1), 3, 7)
    assert [name for name, _ in network.named_modules() if "downsample" in name] == [
        "layer2.0.downsample",
        "layer3.0.downsample",
    ]


@pytest.mark.parametrize(("depth", "blocks"), [(8, 1), (20, 3)])
def test_small_resnet_depth_and_width(depth, blocks):
    network = build_backbone(SmallResNet(depth=depth, width=5), 1, 7)
    assert network.blocks == [f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range(blocks)]
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d) and m.weight.shape[-1] != 1]
    assert len(layers) == depth
    assert [network.get_submodule(s)[-1].conv2.out_channels for s in network.stages] == [5, 10, 20]
