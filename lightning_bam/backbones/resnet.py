"""Residual networks for small images, of torchvision's blocks (He et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck


class ResNet(nn.Module):
    """A ResNet with a 3x3 stem and no max-pool; parameter names are torchvision's.

    Input `(N, in_channels, H, W)`, output `(N, classes)`. Stage i has `depths[i]` blocks of width `width * 2**i`, the
    first of each stage but the first strides by 2; shortcuts that change shape are a 1x1 conv with batch norm.

    Args:
        block: torchvision's `BasicBlock` or `Bottleneck`.
        depths: blocks of each stage.
        width: channels of the stem and of the first stage.
        in_channels: channels of the image.
        classes: number of classes.
        stride_on: which conv of a bottleneck carries its stride, `3x3` or `1x1`.

    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        *,
        width: int,
        in_channels: int,
        classes: int,
        stride_on: str = "3x3",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        channels = width
        self.stages: list[str] = []
        self.blocks: list[str] = []
        for index, depth in enumerate(depths):
            name = f"layer{index + 1}"
            stage, channels = _stage(block, depth, channels, width * 2**index, 1 if index == 0 else 2, stride_on)
            self.add_module(name, stage)
            self.stages.append(name)
            self.blocks += [f"{name}.{i}" for i in range(depth)]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.relu(self.bn1(self.conv1(x)))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits

    def branch_end(self, block: str) -> str:
        """Return the layer that ends the residual branch of a block, before the addition."""
        return f"{block}.bn3" if isinstance(self.get_submodule(block), Bottleneck) else f"{block}.bn2"


def _stage(
    block: type[BasicBlock | Bottleneck], depth: int, channels: int, planes: int, stride: int, stride_on: str
) -> tuple[nn.Sequential, int]:
    """Build one stage; returns it and the channels it gives."""
    blocks = []
    out = planes * block.expansion
    for index in range(depth):
        step = stride if index == 0 else 1
        shortcut = None
        if step != 1 or channels != out:
            shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=step, bias=False), nn.BatchNorm2d(out))
        # torchvision's BasicBlock takes any width; its Bottleneck scales by base_width, 64 being the neutral one
        made = block(channels, planes, stride=step, downsample=shortcut)
        if stride_on == "1x1" and isinstance(made, Bottleneck):
            made.conv1.stride, made.conv2.stride = made.conv2.stride, made.conv1.stride
        blocks.append(made)
        channels = out
    return nn.Sequential(*blocks), channels
