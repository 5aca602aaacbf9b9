"""Question: does BAM help a small network on cluttered digits, whichever way its branches meet?

scientific  attention (none or BAM), attention.combine
nuisance    seed (initial weights and order of the data)
fixed       cluttered digits (3 fragments, 4,000 train images), ResNet8 of width 16, 4 epochs; BAM after stages 1 and 2
            with reduction 4, dilation 4, norms at the branch ends
command     bam quickstart
cost        12 runs of 10 to 20 s each on one thread; 2 min 9 s in all on two cores of an AMD EPYC (n = 1)
n           3 seeds a row
result      no clear difference: none 14.82 ± 0.85 %, sum +0.32 [-2.90, +3.53], product +1.08 [-0.63, +2.80],
            max +0.10 [-6.91, +7.11] points (torch 2.14.1, CPU, AVX-512)
"""

from dataclasses import replace

from lightning_bam.config import BAMSpec, ClutteredDigits, SmallResNet
from studies.definition.presets import SMALL, SMALL_RECIPE
from studies.definition.study import Study

BASE = replace(
    SMALL,
    dataset=ClutteredDigits(fragments=3, train=4000),
    backbone=SmallResNet(width=16),
    recipe=replace(SMALL_RECIPE, epochs=4),
)

STUDY = Study(
    name="quickstart",
    question="Does BAM help a small network on cluttered digits, whichever way its branches meet?",
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
