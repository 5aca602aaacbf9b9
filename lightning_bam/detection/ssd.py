"""Torchvision's SSD on a base network that may hold attention, and StairNet's top-down path, which may hold it, too."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD, SSDScoringHead

from lightning_bam import config
from lightning_bam.backbones.build import attend
from lightning_bam.backbones.layers import Staged, he_normal
from lightning_bam.backbones.mobilenet import MobileNet, scaled
from lightning_bam.config import Run
from lightning_bam.detection.built import BuiltDetector
from lightning_bam.probe import blank_image
from lightning_bam.random_streams import seeded, stream

VGG: Final = ((64, 2), (128, 2), (256, 3), (512, 3))
"""Channels and convs of the stages before the last, as in VGG16 (Simonyan and Zisserman, ICLR 2015)."""
FURTHER: Final = {
    "vgg16": ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0)),
    "mobilenet_v1": ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 2, 1), (64, 128, 2, 1)),
}
"""Layers behind each base: channels of a 1x1 conv and of the 3x3 conv behind it, whose stride and padding."""
SCALES: Final = {
    "vgg16": (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    "mobilenet_v1": (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
}
"""Sizes of default boxes on the six maps in units of the image: SSD's for VOC, the public MobileNet-SSD's."""
KERNEL: Final = {"vgg16": 3, "mobilenet_v1": 1}
"""Kernel of the heads' convs."""


class VGG16(Staged):
    """VGG16 as SSD has it: five stages, the last with fc6 as a 3x3 conv of dilation 6 and fc7 as a 1x1 conv.

    The maps of `sources` have strides 8 and 16. A block is a conv and its ReLU. Pooling rounds up, as SSD's third does;
    on its images of 300 x 300 the others have nothing to round.
    """

    smallest = 257
    sources: ClassVar[tuple[str, str]] = ("layer4", "layer5")

    def __init__(self, width: float, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Identity()
        channels = in_channels
        for stage, (base, depth) in enumerate(VGG):
            out = scaled(base, width)
            self.add_stage([_conv(out if i else channels, out, pool=stage > 0 and i == 0) for i in range(depth)])
            channels = out
        last = scaled(1024, width)
        convs = [_conv(channels, channels, pool=i == 0) for i in range(3)]
        fc6 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(channels, last, 3, padding=6, dilation=6), nn.ReLU(True)
        )
        fc7 = nn.Sequential(nn.Conv2d(last, last, 1), nn.ReLU(inplace=True))
        self.add_stage([*convs, fc6, fc7])
        he_normal(self)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def extra_block(self, channels: int) -> nn.Module:
        """Build a 3x3 conv and a ReLU, `(N, channels, H, W)` to the same shape."""
        return he_normal(_conv(channels, channels, pool=False))


class Rescaled(nn.Module):
    """Each place of a map `(N, C, H, W)` scaled to length 20, a learned number for each channel (SSD's conv4_3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 20.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return `weight * x / |x|` over the channels."""
        return self.weight.view(1, -1, 1, 1) * F.normalize(x)


class TopDown(nn.Module):
    """StairNet's path: from the last map to the first, each of them gets what the one above knows.

    `out_i = relu(BN(conv3x3(s_i)))` with `s_i = BN(conv1x1(x_i)) + BN(up(s_{i+1}))`; `up` is a transposed conv that
    undoes the step from map i to map i + 1, of `(stride, padding)` in `steps`.
    """

    def __init__(self, channels: Sequence[int], width: int, steps: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width)) for c in channels
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(width, width, 3, stride=stride, padding=padding, bias=False) for stride, padding in steps
        )
        self.norm = nn.ModuleList(nn.BatchNorm2d(width) for _ in steps)
        self.out = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
            )
            for _ in channels
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return as many maps of the same sizes, each `width` channels."""
        summed = self.lateral[-1](maps[-1])
        refined = [self.out[-1](summed)]
        for i in reversed(range(len(self.up))):
            above = self.up[i](summed, output_size=maps[i].shape[2:])
            summed = self.lateral[i](maps[i]) + self.norm[i](above)
            refined.insert(0, self.out[i](summed))
        return refined


class Maps(Staged):
    """The six maps of an image: two of the base network and four of further layers, or what `top_down` makes of them.

    Stages and blocks are the base's; with `top_down` the stages are its six outputs, all of which the paper refines.
    """

    def __init__(self, spec: config.SSD, in_channels: int) -> None:
        super().__init__()
        base: VGG16 | MobileNet
        if spec.base == "vgg16":
            base, self.sources = VGG16(spec.width, in_channels), VGG16.sources
            self.smallest = VGG16.smallest
        else:
            base, self.sources = MobileNet(spec.width, in_channels=in_channels, classes=1), ("layer3", "layer4")
            del base.fc
        self.base = base
        last = scaled(1024, spec.width)
        self.channels = [scaled(512, spec.width), last]
        self.first = Rescaled(self.channels[0]) if spec.base == "vgg16" else nn.Identity()
        further, steps = [], [(2, 1)]
        for hidden, out, stride, padding in FURTHER[spec.base]:
            hidden, out = scaled(hidden, spec.width), scaled(out, spec.width)  # noqa: PLW2901
            further.append(
                nn.Sequential(
                    nn.Conv2d(self.channels[-1], hidden, 1),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(hidden, out, 3, stride=stride, padding=padding),
                    nn.ReLU(inplace=True),
                )
            )
            self.channels.append(out)
            steps.append((stride, padding))
        self.further = nn.ModuleList(_xavier(block) for block in further)
        self.blocks = [f"base.{block}" for block in base.blocks]
        self.stages = [f"base.{stage}" for stage in base.stages]
        self.top_down = None
        if spec.top_down is not None:
            self.top_down = TopDown(self.channels, spec.top_down, steps)
            self.channels = [spec.top_down] * len(self.channels)
            self.stages = [f"top_down.out.{i}" for i in range(len(self.channels))]

    @property
    def bottlenecks(self) -> list[str]:
        """Every stage of the base but the last; with `top_down` the outputs in front of all classifiers."""
        return self.stages if self.top_down is not None else self.stages[:-1]

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Return the maps of images `(N, C, H, W)`, the largest first."""
        maps = []
        x = self.base.stem(x)
        for name in self.base.stages:
            x = self.base.get_submodule(name)(x)
            if name in self.sources:
                maps.append(x)
        maps[0] = self.first(maps[0])
        for block in self.further:
            x = block(x)
            maps.append(x)
        if self.top_down is not None:
            maps = self.top_down(maps)
        return OrderedDict((str(i), one) for i, one in enumerate(maps))

    def extra_block(self, channels: int) -> nn.Module:
        """Build one more block of the base's kind, `(N, channels, H, W)` to the same shape."""
        return self.base.extra_block(channels)


class Heads(nn.Module):
    """A conv on each map for the classes of its default boxes, and one for their places."""

    def __init__(self, channels: Sequence[int], boxes: Sequence[int], classes: int, kernel: int) -> None:
        super().__init__()
        self.cls_logits, self.bbox_regression = (
            SSDScoringHead(
                nn.ModuleList(
                    _xavier(nn.Conv2d(c, columns * n, kernel, padding=kernel // 2))
                    for c, n in zip(channels, boxes, strict=True)
                ),
                columns,
            )
            for columns in (classes, 4)
        )

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        """Return `cls_logits` `(N, boxes, classes)` and `bbox_regression` `(N, boxes, 4)`."""
        return {"bbox_regression": self.bbox_regression(maps), "cls_logits": self.cls_logits(maps)}


def ssd(run: Run, spec: config.SSD) -> BuiltDetector:
    """Build the SSD of a run. Images are stretched to the size of the run's data.

    The places of default boxes are the middles of a map's places, as in SSD's paper; torchvision's SSD300 takes fixed
    strides for them, up to 2 pixels from there.
    """
    channels, height, width = run.dataset.shape
    with seeded(stream(run.seed, "backbone"), torch.device("cpu")):
        plain = Maps(spec, channels)
    widths = list(plain.channels)
    maps = attend(run, plain, spec, run.dataset.shape)
    ratios = [[2] if spec.first_boxes == 4 else [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]]
    boxes = DefaultBoxGenerator(ratios, scales=list(SCALES[spec.base]))
    with seeded(stream(run.seed, "detector"), torch.device("cpu")):
        heads = Heads(widths, boxes.num_anchors_per_location(), run.dataset.classes + 1, KERNEL[spec.base])
    network = SSD(
        maps,
        boxes,
        size=(width, height),
        num_classes=run.dataset.classes + 1,  # the first is background
        image_mean=[0.0] * 3,  # the images come normalised
        image_std=[1.0] * 3,
        head=heads,
    )
    return BuiltDetector(
        network,
        (heads,),
        lambda: network.head(list(network.backbone(blank_image(network, run.dataset.shape)).values())),
    )


def _conv(channels: int, out: int, *, pool: bool) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module]()
    if pool:
        layers["pool"] = nn.MaxPool2d(2, stride=2, ceil_mode=True)
    layers["conv"] = nn.Conv2d(channels, out, 3, padding=1)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _xavier(layers: nn.Module) -> nn.Module:
    """Draw each conv's weights as torchvision's SSD does, uniform by Glorot and Bengio (2010); biases are 0."""
    for module in layers.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return layers
