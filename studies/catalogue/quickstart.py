"""Question: does BAM help a small network on cluttered digits, and does it matter how its branches meet?

scientific  attention (none or BAM), attention.combine
nuisance    seed (initial weights and order of the data)
fixed       cluttered digits, ResNet8 of width 16, BAM after stages 1 and 2 with reduction 4, dilation 4, norms at the
            branch ends
command     bam quickstart
cost        TODO
n           3 seeds a row
result      TODO
"""

from __future__ import annotations

from dataclasses import replace

from lightning_bam.config import BAMSpec, ClutteredDigits, SmallResNet
from studies.presets import SMALL, SMALL_RECIPE
from studies.study import Study

BASE = replace(
    SMALL,
    dataset=ClutteredDigits(fragments=3, train=4000),
    backbone=SmallResNet(width=16),
    recipe=replace(SMALL_RECIPE, epochs=4),
)

STUDY = Study(
    name="quickstart",
    question="Does BAM help a small network on cluttered digits, and does it matter how its branches meet?",
    rows={
        "none": BASE,
        "BAM sum": replace(BASE, attention=BAMSpec(reduction=4, combine="sum")),
        "BAM product": replace(BASE, attention=BAMSpec(reduction=4, combine="product")),
        "BAM max": replace(BASE, attention=BAMSpec(reduction=4, combine="max")),
    },
    baseline="none",
    scientific=("attention", "attention.combine"),
    seeds=3,
)
