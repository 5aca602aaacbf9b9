"""Question: does BAM need both branches, and how should they meet?

scientific  attention (none or BAM), attention.branches, attention.combine
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-1b && bam table paper-1b
cost        30 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-1b` has no printed counts to hold ours against
"""

from studies.catalogue import bam
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.networks import BAM
from studies.paper.published import published

ROWS = {
    "none": PAPER,
    **{name: bam(BAM, branches=name) for name in ("channel", "spatial")},
    **{name: bam(BAM, combine=name) for name in ("max", "product", "sum")},
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
