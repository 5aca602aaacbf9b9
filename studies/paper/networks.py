"""The networks and variants of the paper's tables, under the names that `published.csv` has for them.

Assumptions where the paper is silent: on CIFAR-100 the public recipe (200 epochs, batch 128, lr 0.1 times 0.2 after
epochs 60, 120 and 160, weight decay 5e-4); the last epoch's error, also on ImageNet, where the authors' script keeps
the best; the stride on the first 1x1 of a bottleneck; norms on BAM's hidden layers and one, C wide, on each of its two
maps (18 of the paper's 20 CIFAR counts follow from that; the exact layout is open).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypedDict

from lightning_bam import config
from lightning_bam.config import AfterStages, AttentionSpec, BAMSpec, EveryBlock, Placement, Recipe, Run
from studies.paper.published import Published, figures, published

IMAGENET: Final = Recipe(
    epochs=100, batch_size=256, lr=0.1, nesterov=False, weight_decay=1e-4, milestones=(0.3, 0.6, 0.9), gamma=0.1
)
"""The authors' ImageNet script: a tenth of the learning rate after every 30 of 100 epochs."""

BAM: Final = BAMSpec(norm="maps")

NETWORKS: Final[Mapping[str, Mapping[str, tuple[str, Run]]]] = {
    "cifar100": {
        name: (label, Run(dataset=config.CIFAR100(), backbone=backbone, recipe=Recipe()))
        for name, label, backbone in (
            ("resnet50", "ResNet50", config.ResNet50(stride_on="1x1")),
            ("resnet101", "ResNet101", config.ResNet101(stride_on="1x1")),
            ("preresnet110", "PreResNet110", config.PreResNet(stride_on="1x1")),
            ("wrn28_8", "WRN28-8", config.WideResNet()),
            ("wrn28_10", "WRN28-10", config.WideResNet(widen_factor=10)),
            ("resnext29_8x64d", "ResNeXt29 8x64d", config.ResNeXt29(stride_on="1x1")),
            ("resnext29_16x64d", "ResNeXt29 16x64d", config.ResNeXt29(cardinality=16, stride_on="1x1")),
            ("densenet_bc100_k12", "DenseNet-BC-100-12", config.DenseNet()),
        )
    },
    "imagenet": {
        name: (label, Run(dataset=config.ImageNet(resolution=resolution), backbone=backbone, recipe=IMAGENET))
        for name, label, backbone, resolution in (
            ("resnet18", "ResNet18", config.ResNet18(stem="imagenet"), 224),
            ("resnet50", "ResNet50", config.ResNet50(stem="imagenet", stride_on="1x1"), 224),
            ("resnet101", "ResNet101", config.ResNet101(stem="imagenet", stride_on="1x1"), 224),
            ("wrn18_1.5", "WRN18 x1.5", config.ResNet18(stem="imagenet", width=96), 224),
            ("wrn18_2.0", "WRN18 x2", config.ResNet18(stem="imagenet", width=128), 224),
            ("resnext50_32x4d", "ResNeXt50 32x4d", config.ResNeXt50(stride_on="1x1"), 224),
            ("mobilenet_1.0", "MobileNet 1.0", config.MobileNet(), 224),
            ("mobilenet_0.7", "MobileNet 0.7", config.MobileNet(width=0.7), 224),
            ("mobilenet_1.0_192", "MobileNet 1.0-192", config.MobileNet(), 192),
            ("squeezenet1_1", "SqueezeNet 1.1", config.SqueezeNet(), 224),
        )
    },
}
"""dataset -> the name in `published.csv` -> the row's label and the plain network's run."""

VARIANTS: Final[Mapping[str, tuple[str, AttentionSpec | None, Placement]]] = {
    "none": ("", None, AfterStages()),
    "bam": (" + BAM", BAM, AfterStages()),
    "bam_every_block": (" + BAM in every block", BAM, EveryBlock()),
    "se": (" + SE", config.SESpec(), EveryBlock()),
    "extra_block": (" + extra block", config.ExtraBlockSpec(), AfterStages()),
}
"""The name in `published.csv` -> the suffix of the row's label, what stands in the network, and where."""


class PaperTable(TypedDict):
    """Fields of a study that asks what a table of the paper asks; `baseline` has each network's plain row."""

    rows: Mapping[str, Run]
    baseline: tuple[str, ...]
    paper: str
    published: Mapping[str, Published]


def paper_table(number: str) -> PaperTable:
    """Return a table that compares variants within networks, its rows in the order of `published.csv`."""
    rows: dict[str, Run] = {}
    printed: dict[str, Published] = {}
    for line in figures():
        if line.table == number:
            name, run = NETWORKS[line.dataset][line.backbone]
            suffix, attention, placement = VARIANTS[line.variant]
            rows[name + suffix] = replace(run, attention=attention, placement=placement)
            printed[name + suffix] = published(number, line.backbone, line.variant)
    baselines = tuple(row for row, run in rows.items() if run.attention is None)
    return PaperTable(rows=rows, baseline=baselines, paper=number, published=printed)
