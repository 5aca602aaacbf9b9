"""Question: should BAM stand at the bottlenecks or in every block?

scientific  attention (none or BAM), placement, within each of four networks
nuisance    seed (initial weights and order of the data)
fixed       assumptions where the paper is silent: the public CIFAR-100 recipe (200 epochs, batch 128, lr 0.1 times 0.2
            after epochs 60, 120 and 160, weight decay 5e-4), the last epoch's error; stride on the first 1x1 of a
            bottleneck; norms on BAM's hidden layers and one, C wide, on each of its two maps (the printed counts
            follow from that; the exact layout is open)
command     bam run paper-2 && bam table paper-2
cost        60 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-2` holds the counts against the paper's
"""

from __future__ import annotations

from studies.definition.study import Study
from studies.paper.networks import paper_table

TABLE = paper_table("2")

STUDY = Study(
    name="paper-2",
    question="Should BAM stand at the bottlenecks or in every block?",
    rows=TABLE.rows,
    baseline=TABLE.baselines,
    within=("backbone",),
    scientific=("attention", "placement"),
    paper="2",
    published=TABLE.published,
)
