"""Question: does BAM help every network on CIFAR-100?

scientific  attention (none or BAM), within each of eight networks
nuisance    seed (initial weights and order of the data)
fixed       assumptions where the paper is silent: the public CIFAR-100 recipe (200 epochs, batch 128, lr 0.1 times 0.2
            after epochs 60, 120 and 160, weight decay 5e-4), the last epoch's error; stride on the first 1x1 of a
            bottleneck; norms on BAM's hidden layers and one, C wide, on each of its two maps (the printed counts
            follow from that; the exact layout is open)
command     bam run paper-3a && bam table paper-3a
cost        80 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-3a` holds the counts against the paper's
"""

from __future__ import annotations

from studies.definition.study import Study
from studies.paper.networks import paper_table

TABLE = paper_table("3a")

STUDY = Study(
    name="paper-3a",
    question="Does BAM help every network on CIFAR-100?",
    rows=TABLE.rows,
    baseline=TABLE.baselines,
    within=("backbone",),
    scientific=("attention",),
    paper="3a",
    published=TABLE.published,
)
