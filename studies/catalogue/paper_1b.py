"""Question: does BAM need both branches, and how should they meet?

scientific  attention (none or BAM), attention.branches, attention.combine
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-1b && bam table paper-1b
cost        30 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-1b` has no printed counts to hold ours against
"""

from dataclasses import replace

from lightning_bam.config import Run
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.networks import BAM
from studies.paper.published import published

ROWS: dict[str, Run] = {
    "none": PAPER,
    "channel": replace(PAPER, attention=replace(BAM, branches="channel")),
    "spatial": replace(PAPER, attention=replace(BAM, branches="spatial")),
    "max": replace(PAPER, attention=replace(BAM, combine="max")),
    "product": replace(PAPER, attention=replace(BAM, combine="product")),
    "sum": replace(PAPER, attention=replace(BAM, combine="sum")),
}

STUDY = Study(
    name="paper-1b",
    question="Does BAM need both branches, and how should they meet?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.branches", "attention.combine"),
    paper="1b",
    published={row: published("1b", "resnet50", row) for row in ROWS},
)
