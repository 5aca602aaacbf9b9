"""Pre-activation residual networks for small images (He et al., ECCV 2016; Zagoruyko and Komodakis, BMVC 2016)."""

from typing import ClassVar

from torch import Tensor, nn

from lightning_bam.backbones.layers import Residual, he_normal

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
        active = self.relu(self.bn1(x))
        out: Tensor = self.conv2(self.relu(self.bn2(self.conv1(active))))
        return out + (x if self.downsample is None else self.downsample(active))


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
        active = self.relu(self.bn1(x))
        out = self.conv2(self.relu(self.bn2(self.conv1(active))))
        out = self.conv3(self.relu(self.bn3(out)))
        return out + (x if self.downsample is None else self.downsample(active))  # type: ignore[no-any-return]


class PreActResNet(Residual):
    """A 3x3 stem of 16 channels, three stages of pre-activation blocks, batch norm and ReLU, pooling, a linear layer.

    Each stage has `depth` blocks, the first stage's of width `planes`. A stage gives the sum of its last block, not yet
    normalised.
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
        super().__init__(block, block.expansion, block.end, stride_on)
        self.conv1 = nn.Conv2d(in_channels, STEM, 3, padding=1, bias=False)
        channels = self.add_stages(STEM, planes, [depth] * 3)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        x = self.relu(self.bn(self.pass_stages(self.conv1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _shortcut(channels: int, out: int, stride: int) -> nn.Conv2d | None:
    return None if stride == 1 and channels == out else nn.Conv2d(channels, out, 1, stride=stride, bias=False)
