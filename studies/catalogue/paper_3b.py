"""Question: does BAM help every network on ImageNet?

scientific  attention (none or BAM), within each of ten networks (MobileNet 1.0 at two resolutions)
nuisance    seed (initial weights and order of the data)
fixed       the authors' script: 100 epochs, batch 256, SGD 0.1 with momentum 0.9, a tenth after every 30, weight decay
            1e-4. Assumptions where the paper is silent: the same for every network, MobileNet and SqueezeNet too; the
            last epoch's error (the script keeps the best); stride on the first 1x1 of a bottleneck; norms on BAM's
            hidden layers and one, C wide, on each of its two maps (the printed counts follow from that; the exact
            layout is open)
command     bam run paper-3b && bam table paper-3b
cost        100 runs of 100 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-3b` holds the counts against the paper's
"""

from __future__ import annotations

from studies.definition.study import Study
from studies.paper.networks import paper_table

TABLE = paper_table("3b")

STUDY = Study(
    name="paper-3b",
    question="Does BAM help every network on ImageNet?",
    rows=TABLE.rows,
    baseline=TABLE.baselines,
    within=("backbone", "dataset"),
    scientific=("attention",),
    paper="3b",
    published=TABLE.published,
)
