"""Residual networks for small and for ImageNet's images, of torchvision's blocks (He et al., CVPR 2016)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lightning_bam.backbones.layers import Residual, he_normal

IMAGENET_STEM: Final = 64
"""Channels of the ImageNet stem, whatever the width: the counts of the paper's WRN18 follow from no other."""


class ResNet(Residual):
    """A ResNet of torchvision's `BasicBlock` or `Bottleneck` and with its parameter names.

    `width` is the channels of the first stage, and of the `small` stem, a 3x3 conv; the `imagenet` stem is a 7x7 conv
    of stride 2 to 64 channels and a 3x3 max-pool of stride 2. Shortcuts that change shape are a 1x1 conv with batch
    norm. A bottleneck's 3x3 conv has `groups` groups (the cardinality of Xie et al.'s ResNeXt, CVPR 2017) and
    `groups * base_width * planes / 64` channels, planes being its stage's width.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        *,
        width: int,
        in_channels: int,
        classes: int,
        stem: str = "small",
        stride_on: str = "3x3",
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        make = partial(_block, block, groups, base_width)
        super().__init__(make, block.expansion, "bn3" if block is Bottleneck else "bn2", stride_on)
        large = stem == "imagenet"
        channels, kernel = (IMAGENET_STEM, 7) if large else (width, 3)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel, stride=2 if large else 1, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity()
        channels = self.add_stages(channels, width, depths)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.pass_stages(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _block(
    block: type[BasicBlock | Bottleneck], groups: int, base_width: int, channels: int, planes: int, stride: int
) -> nn.Module:
    out, shortcut = planes * block.expansion, None
    if stride != 1 or channels != out:
        shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
    made: nn.Module = block(channels, planes, stride, downsample=shortcut, groups=groups, base_width=base_width)
    return made
