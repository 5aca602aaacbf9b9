"""Pre-activation residual networks for small images (He et al., ECCV 2016; Zagoruyko and Komodakis, BMVC 2016)."""

from typing import ClassVar

from torch import Tensor, nn

from lightning_bam.backbones.layers import Staged, he_normal

STEM = 16
"""Channels of the stem, in both families."""


class PreActBasic(nn.Module):
    """`Y = conv3x3(relu(BN(conv3x3(P)))) + X`, `P = relu(BN(X))`, on X of shape `(N, C, H, W)`.

    Where the shape changes, the shortcut is a bare 1x1 conv of P, as in the wide networks' own code
    (szagoruyko/wide-residual-networks, pytorch/resnet.py).
    """

    expansion: ClassVar[int] = 1
    end: ClassVar[str] = "conv2"

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, planes, H / stride, W / stride)`."""
        out = self.relu(self.bn1(x))
        identity = x if self.downsample is None else self.downsample(out)
        out = self.conv1(out)
        out = self.conv2(self.relu(self.bn2(out)))
        return out + identity  # type: ignore[no-any-return]


class PreActBottleneck(nn.Module):
    """`Y = conv1x1(relu(BN(conv3x3(relu(BN(conv1x1(P))))))) + X`, `P = relu(BN(X))`, on X of shape `(N, C, H, W)`.

    Where the shape changes, the shortcut is a bare 1x1 conv of P. He et al.'s own code (KaimingHe/resnet-1k-layers,
    resnet-pre-act.lua) strides on the first 1x1; here the 3x3 carries the stride, unless the network moves it.
    """

    expansion: ClassVar[int] = 4
    end: ClassVar[str] = "conv3"

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, 4 * planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, 4 * planes, H / stride, W / stride)`."""
        out = self.relu(self.bn1(x))
        identity = x if self.downsample is None else self.downsample(out)
        out = self.conv1(out)
        out = self.conv2(self.relu(self.bn2(out)))
        out = self.conv3(self.relu(self.bn3(out)))
        return out + identity  # type: ignore[no-any-return]


class PreActResNet(Staged):
    """A 3x3 stem of 16 channels, three stages of pre-activation blocks, batch norm and ReLU, pooling, a linear layer.

    Input `(N, in_channels, H, W)`, output `(N, classes)`. Stage i has `depth` blocks of width `planes * 2**i`, the
    first of the second and third stages strides by 2. A stage gives the sum of its last block, not yet normalised.

    Args:
        block: `PreActBasic` or `PreActBottleneck`.
        depth: blocks of each stage.
        planes: width of the first stage's blocks.
        in_channels: channels of the image.
        classes: number of classes.
        stride_on: which conv of a bottleneck carries its stride, `3x3` or `1x1`.

    """

    def __init__(
        self,
        block: type[PreActBasic | PreActBottleneck],
        depth: int,
        *,
        planes: int,
        in_channels: int,
        classes: int,
        stride_on: str = "3x3",
    ) -> None:
        super().__init__()
        self.block = block
        self.conv1 = nn.Conv2d(in_channels, STEM, 3, padding=1, bias=False)
        channels = STEM
        for index in range(3):
            name, stage = f"layer{index + 1}", nn.Sequential()
            for i in range(depth):
                stage.append(block(channels, planes * 2**index, 2 if index and i == 0 else 1))
                channels = planes * 2**index * block.expansion
                self.blocks.append(f"{name}.{i}")
            self.add_module(name, stage)
            self.stages.append(name)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        he_normal(self)
        for module in self.modules():
            if isinstance(module, PreActBottleneck) and stride_on == "1x1":
                module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.conv1(x)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        x = self.relu(self.bn(x))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits

    def branch_end(self, block: str) -> str:
        """Return the layer that ends the residual branch of a block: its last conv, which nothing normalises."""
        return f"{block}.{self.block.end}"

    def extra_block(self, channels: int) -> nn.Module:
        """Build a pre-activation block of stride 1, `(N, channels, H, W)` to the same shape."""
        block = self.block(channels, channels // self.block.expansion, 1)
        he_normal(block)
        return block


def _shortcut(channels: int, out: int, stride: int) -> nn.Conv2d | None:
    return None if stride == 1 and channels == out else nn.Conv2d(channels, out, 1, stride=stride, bias=False)
