"""Question: where should BAM stand?

scientific  attention (none or BAM), placement, placement.stages
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run placement && bam table placement; both take --preset small or findings
cost        30 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 10 to 12); equivalent within ±0.5: after stage 1
            −0.01 [−0.39, +0.38], after stage 2 −0.18 [−0.43, +0.07], bottlenecks −0.19 [−0.48, +0.10]; no clear
            difference: after stage 3 −0.26 [−0.59, +0.06]; better: every block −0.49 [−0.80, −0.18]; not run yet at the
            paper's scale
"""

from dataclasses import replace

from lightning_bam.config import AfterStages, EveryBlock
from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.published import errors

ROWS = {
    "none": PAPER,
    **{f"after stage {s}": replace(bam(), placement=AfterStages(stages=(s,))) for s in (1, 2, 3)},
    "bottlenecks": bam(),
    "every block": replace(bam(), placement=EveryBlock()),
}

STUDY = Study(
    name="placement",
    question="Where should BAM stand: after one stage, after all but the last, or in every block?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "placement", "placement.stages"),
    paper="2",
    published=errors("2", "resnet50", {"none": "none", "bottlenecks": "bam", "every block": "bam_every_block"}),
    presets=presets(ROWS),
)
