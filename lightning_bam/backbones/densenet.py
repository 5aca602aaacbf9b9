"""DenseNet-BC for small images (Huang et al., CVPR 2017), of torchvision's layers."""

from typing import Final

import torch
from torch import Tensor, nn
from torchvision.models.densenet import _DenseLayer, _Transition  # no public names; the counts tell if they change

from lightning_bam.backbones.layers import Staged, he_normal

BOTTLENECK: Final = 4
"""A layer's first conv has this many times `growth` channels."""


class DenseBlock(nn.Module):
    """`(N, C, H, W)` to `(N, C + depth * growth, H, W)`: each layer sees what all before it gave."""

    def __init__(self, depth: int, channels: int, growth: int) -> None:
        super().__init__()
        self.layers = [f"denselayer{i + 1}" for i in range(depth)]
        for i, name in enumerate(self.layers):
            self.add_module(name, _DenseLayer(channels + i * growth, growth, bn_size=BOTTLENECK, drop_rate=0.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the input and what each layer adds to it, concatenated."""
        features = [x]
        for name in self.layers:
            features.append(self.get_submodule(name)(features))
        return torch.cat(features, 1)


class DenseNet(Staged):
    """A 3x3 stem of 2 `growth` channels, three dense blocks of `depth` layers, between them transitions that halve.

    Each layer adds `growth` channels. Parameter names are torchvision's. The stages are dense block, transition, dense
    block, transition, dense block. Attention in every block stands behind each layer's last conv, on the channels that
    the layer adds.
    """

    smallest = 4

    def __init__(self, depth: int, growth: int, *, in_channels: int, classes: int) -> None:
        super().__init__()
        channels = 2 * growth
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(in_channels, channels, 3, padding=1, bias=False))
        for index in (1, 2, 3):
            self._stage(f"denseblock{index}", DenseBlock(depth, channels, growth))
            self.blocks += [f"features.denseblock{index}.denselayer{i + 1}" for i in range(depth)]
            channels += depth * growth
            if index < 3:
                self._stage(f"transition{index}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = torch.relu(self.features(x))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits

    def branch_end(self, block: str) -> str:
        """Return the last conv of a layer, before what it gives is concatenated."""
        return f"{block}.conv2"

    def _stage(self, name: str, stage: nn.Module) -> None:
        self.features.add_module(name, stage)
        self.stages.append(f"features.{name}")
