"""Residual networks for small and for ImageNet's images, of torchvision's blocks (He et al., CVPR 2016)."""

from collections.abc import Sequence
from typing import Final

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from lightning_bam.backbones.layers import Staged, he_normal

IMAGENET_STEM: Final = 64
"""Channels of the ImageNet stem, whatever the width: the counts of the paper's WRN18 follow from no other."""


class ResNet(Staged):
    """A ResNet whose parameter names are torchvision's.

    Input `(N, in_channels, H, W)`, output `(N, classes)`. Stage i has `depths[i]` blocks of width `width * 2**i`, the
    first of each stage but the first strides by 2; shortcuts that change shape are a 1x1 conv with batch norm.

    Args:
        block: torchvision's `BasicBlock` or `Bottleneck`.
        depths: blocks of each stage.
        width: channels of the first stage, and of the small stem.
        in_channels: channels of the image.
        classes: number of classes.
        stem: `small` is a 3x3 conv, `imagenet` a 7x7 conv of stride 2 to 64 channels and a 3x3 max-pool of
            stride 2.
        stride_on: which conv of a bottleneck carries its stride, `3x3` or `1x1`.
        groups: groups of a bottleneck's 3x3 conv (the cardinality of Xie et al.'s ResNeXt, CVPR 2017).
        base_width: a bottleneck's 3x3 conv has `groups * base_width * planes / 64` channels, planes being its
            stage's width; 64 is He et al.'s, and basic blocks know no other.

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
        super().__init__()
        self.block = block
        self.kernels = {"groups": groups, "base_width": base_width}
        large = stem == "imagenet"
        channels, kernel = (IMAGENET_STEM, 7) if large else (width, 3)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel, stride=2 if large else 1, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity()
        for index, depth in enumerate(depths):
            name, stage = f"layer{index + 1}", nn.Sequential()
            planes = width * 2**index
            for i in range(depth):
                stride = 2 if index and i == 0 else 1
                shortcut = _shortcut(channels, planes * block.expansion, stride)
                stage.append(block(channels, planes, stride, downsample=shortcut, **self.kernels))
                channels = planes * block.expansion
                self.blocks.append(f"{name}.{i}")
            self.add_module(name, stage)
            self.stages.append(name)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        he_normal(self)
        for module in self.modules():
            if isinstance(module, Bottleneck) and stride_on == "1x1":
                module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits

    def branch_end(self, block: str) -> str:
        """Return the layer that ends the residual branch of a block, before the addition."""
        return f"{block}.bn3" if isinstance(self.get_submodule(block), Bottleneck) else f"{block}.bn2"

    def extra_block(self, channels: int) -> nn.Module:
        """Build a residual block of stride 1, `(N, channels, H, W)` to the same shape."""
        block: nn.Module = self.block(channels, channels // self.block.expansion, **self.kernels)
        he_normal(block)
        return block


def _shortcut(channels: int, out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
