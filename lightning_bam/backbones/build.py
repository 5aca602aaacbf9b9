"""From a run to its network: the backbone says where, the attention spec says which."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lightning_bam.attention import build_attention, insert
from lightning_bam.backbones.resnet import ResNet
from lightning_bam.config import (
    Backbone,
    ConfigError,
    EveryBlock,
    Placement,
    ResNet18,
    ResNet34,
    ResNet50,
    Run,
    SmallResNet,
)
from lightning_bam.streams import stream


def build_backbone(spec: Backbone, in_channels: int, classes: int) -> ResNet:
    """Build the plain network for images of `in_channels` channels and this many classes."""
    if isinstance(spec, SmallResNet):
        blocks = (spec.depth - 2) // 6
        return ResNet(BasicBlock, [blocks] * 3, width=spec.width, in_channels=in_channels, classes=classes)
    if isinstance(spec, ResNet18 | ResNet34):
        depths = [2, 2, 2, 2] if isinstance(spec, ResNet18) else [3, 4, 6, 3]
        return ResNet(BasicBlock, depths, width=spec.width, in_channels=in_channels, classes=classes)
    depths = [3, 4, 6, 3] if isinstance(spec, ResNet50) else [3, 4, 23, 3]
    return ResNet(
        Bottleneck,
        depths,
        width=spec.width,
        in_channels=in_channels,
        classes=classes,
        stride_on=spec.stride_on,
    )


def places(network: ResNet, placement: Placement) -> list[str]:
    """Return the names of the layers behind which attention stands.

    Raises:
        ConfigError: a stage that the network does not have.

    """
    if isinstance(placement, EveryBlock):
        return [network.branch_end(block) for block in network.blocks]
    if placement.stages is None:
        return network.stages[:-1]
    if placement.stages[-1] > len(network.stages):
        raise ConfigError(
            f"placement.stages={','.join(map(str, placement.stages))}: this network has {len(network.stages)} stages"
        )
    return [network.stages[stage - 1] for stage in placement.stages]


def build(run: Run) -> nn.Module:
    """Build the network of a run: images `(N, *run.dataset.shape)` to logits `(N, classes)`.

    At equal seed the backbone's weights are the same whatever attention is in it, and an attention module's weights
    depend on the seed and on its place alone. The global random state is left as it was.

    Raises:
        ConfigError: a stage that the backbone does not have, or a reduction above the channels there.

    """
    channels = run.dataset.shape[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(run.seed, "backbone"))
        network = build_backbone(run.backbone, channels, run.dataset.classes)
        if run.attention is None:
            return network
        spec, layers = run.attention, places(network, run.placement)
        names = iter(layers)

        def make(width: int) -> nn.Module:
            torch.manual_seed(stream(run.seed, "attention", next(names)))
            return build_attention(spec, width)

        return insert(network, make, at=layers, input_shape=run.dataset.shape)
