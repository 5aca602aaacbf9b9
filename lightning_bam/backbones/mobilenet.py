"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861), which torchvision does not have."""

from collections import OrderedDict
from typing import Final

from torch import Tensor, nn

from lightning_bam.backbones.layers import Staged, he_normal

STAGES: Final = ((128, 2), (256, 2), (512, 6), (1024, 2))
"""Channels and blocks of each stage (table 1 of the paper); the first block of each strides by 2."""


class Separable(nn.Sequential):
    """`relu(BN(conv1x1(relu(BN(depthwise3x3(X))))))` on X of shape `(N, channels, H, W)`, to `(N, out, H/s, W/s)`."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        layers: dict[str, nn.Module] = {
            "conv1": depthwise,
            "bn1": nn.BatchNorm2d(channels),
            "relu1": nn.ReLU(inplace=True),
            "conv2": nn.Conv2d(channels, out, 1, bias=False),
            "bn2": nn.BatchNorm2d(out),
            "relu2": nn.ReLU(inplace=True),
        }
        super().__init__(OrderedDict(layers))


class MobileNet(Staged):
    """A 3x3 conv of stride 2, thirteen separable blocks, pooling and a linear layer.

    The stem is the conv and the first block, 32 and 64 channels; the four stages have `STAGES`' channels. Each number
    of channels is multiplied by `width` and rounded down. Attention in every block stands behind the block, as
    nothing is added to it.

    Args:
        width: the multiplier.
        in_channels: channels of the image.
        classes: number of classes.

    """

    def __init__(self, width: float, *, in_channels: int, classes: int) -> None:
        super().__init__()
        first, channels = scaled(32, width), scaled(64, width)
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False))
        self.stem.add_module("bn", nn.BatchNorm2d(first))
        self.stem.add_module("relu", nn.ReLU(inplace=True))
        self.stem.add_module("block", Separable(first, channels))
        self.blocks.append("stem.block")
        for index, (base, depth) in enumerate(STAGES, start=1):
            name, stage, out = f"layer{index}", nn.Sequential(), scaled(base, width)
            for i in range(depth):
                stage.append(Separable(channels, out, 1 if i else 2))
                channels = out
                self.blocks.append(f"{name}.{i}")
            self.add_module(name, stage)
            self.stages.append(name)
        self.fc = nn.Linear(channels, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.stem(x)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def branch_end(self, block: str) -> str:
        """Return the block itself."""
        return block

    def extra_block(self, channels: int) -> nn.Module:
        """Build a separable block of stride 1, `(N, channels, H, W)` to the same shape."""
        block = Separable(channels, channels)
        he_normal(block)
        return block


def scaled(channels: int, width: float) -> int:
    """Return the channels of a layer under the width multiplier, at least 1."""
    return max(1, int(channels * width))
