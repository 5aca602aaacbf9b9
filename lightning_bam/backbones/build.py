"""A backbone with attention in it: the backbone says where, the attention spec says which."""

from functools import partial

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lightning_bam import config
from lightning_bam.attention import build_attention, insert
from lightning_bam.backbones import library
from lightning_bam.backbones.densenet import DenseNet
from lightning_bam.backbones.layers import Staged
from lightning_bam.backbones.mobilenet import MobileNet
from lightning_bam.backbones.preact import PreActBasic, PreActBottleneck, PreActResNet
from lightning_bam.backbones.resnet import ResNet
from lightning_bam.backbones.squeezenet import SqueezeNet
from lightning_bam.backbones.timm_net import timm_net
from lightning_bam.backbones.torchvision_net import torchvision_net
from lightning_bam.config import (
    AtLayers,
    BackboneSpec,
    ConfigError,
    EveryBlock,
    ExtraBlockSpec,
    LibraryNet,
    Placement,
    Run,
    TimmAttention,
)
from lightning_bam.random_streams import seeded, stream
from lightning_bam.user_code.build import built


def build_backbone(spec: BackboneSpec, in_channels: int, classes: int, size: tuple[int, int] = (224, 224)) -> nn.Module:
    """Build the plain network for images of `in_channels` channels and this many classes.

    `size` is their height and width, of which some networks of libraries are made.
    """
    resnet = partial(ResNet, in_channels=in_channels, classes=classes)
    preact = partial(PreActResNet, in_channels=in_channels, classes=classes)
    match spec:
        case config.SmallResNet():
            return resnet(BasicBlock, [(spec.depth - 2) // 6] * 3, width=spec.width)
        case config.ResNet18():
            return resnet(BasicBlock, [2, 2, 2, 2], width=spec.width, stem=spec.stem)
        case config.ResNet34():
            return resnet(BasicBlock, [3, 4, 6, 3], width=spec.width, stem=spec.stem)
        case config.ResNet50():
            return resnet(Bottleneck, [3, 4, 6, 3], width=spec.width, stem=spec.stem, stride_on=spec.stride_on)
        case config.ResNet101():
            return resnet(Bottleneck, [3, 4, 23, 3], width=spec.width, stem=spec.stem, stride_on=spec.stride_on)
        case config.ResNeXt29() | config.ResNeXt50():
            depths, stem = ([3, 3, 3], "small") if isinstance(spec, config.ResNeXt29) else ([3, 4, 6, 3], "imagenet")
            resnext = partial(resnet, width=64, groups=spec.cardinality, base_width=spec.base_width)
            return resnext(Bottleneck, depths, stem=stem, stride_on=spec.stride_on)
        case config.WideResNet():
            return preact(PreActBasic, 4, planes=16 * spec.widen_factor)
        case config.PreResNet():
            return preact(PreActBottleneck, (spec.depth - 2) // 9, planes=16, stride_on=spec.stride_on)
        case config.DenseNet():
            return DenseNet((spec.depth - 4) // 6, spec.growth, in_channels=in_channels, classes=classes)
        case config.MobileNet():
            return MobileNet(spec.width, in_channels=in_channels, classes=classes)
        case config.SqueezeNet():
            return SqueezeNet(in_channels=in_channels, classes=classes)
        case _:
            return _from_elsewhere(spec, in_channels, classes, size)


def _from_elsewhere(spec: BackboneSpec, in_channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """Build a network of a library, or of the user's own."""
    match spec:
        case config.Torchvision():
            return torchvision_net(spec, in_channels, classes, size)
        case config.Timm():
            return timm_net(spec, in_channels, classes, size)
        case _:
            return built(spec, in_channels, classes)


def places(
    network: nn.Module, placement: Placement, spec: BackboneSpec, shape: tuple[int, int, int] = (3, 64, 64)
) -> list[str]:
    """Return the names of the layers behind which attention stands; ConfigError for a stage that is not there.

    `shape` `(C, H, W)` is that of an image that the network takes.
    """
    if isinstance(placement, AtLayers):
        return list(placement.layers)
    if isinstance(placement, EveryBlock):
        if not isinstance(network, Staged):
            raise ConfigError(
                f"placement=every_block: backbone={spec.kind} does not say which layers are blocks; use "
                "placement=at_layers with placement.layers"
            )
        return [network.branch_end(block) for block in network.blocks]
    if isinstance(network, Staged):
        stages, usual = network.stages, network.bottlenecks
    elif isinstance(spec, LibraryNet):
        stages = library.stages(network, spec, shape)
        usual = stages[:-1]
    else:
        stages = usual = list(spec.layers())
    if placement.stages is None:
        return usual
    if placement.stages[-1] > len(stages):
        raise ConfigError(
            f"placement.stages={','.join(map(str, placement.stages))}: this network has {len(stages)} stages"
        )
    return [stages[stage - 1] for stage in placement.stages]


def attended(run: Run, backbone: BackboneSpec, shape: tuple[int, int, int]) -> nn.Module:
    """Build `backbone` for images of `shape` `(C, H, W)`, with the attention of `run` in it.

    ConfigError as `lightning_bam.network.build`. The global random state is left as it was.
    """
    with seeded(stream(run.seed, "backbone"), torch.device("cpu")):
        network = build_backbone(backbone, shape[0], run.dataset.classes, (shape[1], shape[2]))
        if isinstance(backbone, LibraryNet):
            library.check_images(network, shape, run.dataset.classes, library.title(backbone))
    return attend(run, network, backbone, shape)


def attend(run: Run, network: nn.Module, backbone: BackboneSpec, shape: tuple[int, int, int]) -> nn.Module:
    """Put the attention of `run` into `network`, which `backbone` describes, and return it; raises as `attended`."""
    _, height, width = shape
    if isinstance(run.attention, ExtraBlockSpec) and isinstance(run.placement, EveryBlock):
        raise ConfigError(
            "attention=extra_block placement=every_block: a block in every block is another network; "
            "use placement=after_stages"
        )
    smallest = network.smallest if isinstance(network, Staged) else 1
    if min(height, width) < smallest:
        raise ConfigError(
            f"dataset={run.dataset.kind}: {backbone.kind} needs images of at least {smallest} x {smallest}, "
            f"got {height} x {width}"
        )
    if run.attention is None:
        return network
    spec, layers = run.attention, places(network, run.placement, backbone, shape)
    names = iter(layers)

    def make(width: int) -> nn.Module:
        with seeded(stream(run.seed, "attention", next(names)), torch.device("cpu")):
            if not isinstance(spec, ExtraBlockSpec):
                return build_attention(spec, width)
            if isinstance(network, Staged):
                return network.extra_block(width)
            raise ConfigError(f"attention=extra_block: backbone={backbone.kind} does not say what a block of it is")

    insert(network, make, at=layers, input_shape=shape)
    if isinstance(spec, TimmAttention):
        library.check_images(network, shape, run.dataset.classes, library.title(spec))
    return network
