"""Question: is BAM's gain more than that of another block at the same places?

scientific  attention (none, a block of the network's own kind, BAM), within each of three networks
nuisance    seed (initial weights and order of the data)
fixed       assumptions where the paper is silent: the public CIFAR-100 recipe (200 epochs, batch 128, lr 0.1 times 0.2
            after epochs 60, 120 and 160, weight decay 5e-4), the last epoch's error; stride on the first 1x1 of a
            bottleneck; norms on BAM's hidden layers and one, C wide, on each of its two maps (the printed counts
            follow from that; the exact layout is open)
command     bam run paper-1c && bam table paper-1c
cost        45 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-1c` holds the counts against the paper's
"""

from __future__ import annotations

from studies.definition.study import Study
from studies.paper.networks import paper_table

TABLE = paper_table("1c")

STUDY = Study(
    name="paper-1c",
    question="Is BAM's gain more than that of another block at the same places?",
    rows=TABLE.rows,
    baseline=TABLE.baselines,
    within=("backbone",),
    scientific=("attention",),
    paper="1c",
    published=TABLE.published,
)
