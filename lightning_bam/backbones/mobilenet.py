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
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False),
            bn1=nn.BatchNorm2d(channels),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(channels, out, 1, bias=False),
            bn2=nn.BatchNorm2d(out),
            relu2=nn.ReLU(inplace=True),
        )
        super().__init__(layers)


class MobileNet(Staged):
    """A 3x3 conv of stride 2, thirteen separable blocks, pooling and a linear layer.

    The stem is the conv and the first block, 32 and 64 channels; the four stages have `STAGES`' channels. Each number
    of channels is multiplied by `width` and rounded down. Attention in every block stands behind the block, as
    nothing is added to it.
    """

    def __init__(self, width: float, *, in_channels: int, classes: int) -> None:
        super().__init__()
        first, channels = scaled(32, width), scaled(64, width)
        stem = OrderedDict[str, nn.Module](
            conv=nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False),
            bn=nn.BatchNorm2d(first),
            relu=nn.ReLU(inplace=True),
            block=Separable(first, channels),
        )
        self.stem = nn.Sequential(stem)
        self.blocks.append("stem.block")
        for base, depth in STAGES:
            out = scaled(base, width)
            self.add_stage([Separable(out if i else channels, out, 1 if i else 2) for i in range(depth)])
            channels = out
        self.fc = nn.Linear(channels, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        logits: Tensor = self.fc(self.pass_stages(self.stem(x)).mean((2, 3)))
        return logits

    def extra_block(self, channels: int) -> nn.Module:
        """Build a separable block of stride 1, `(N, channels, H, W)` to the same shape."""
        return he_normal(Separable(channels, channels))


def scaled(channels: int, width: float) -> int:
    """Return the channels of a layer under the width multiplier, at least 1."""
    return max(1, int(channels * width))
