"""Question: should BAM stand at the bottlenecks or in every block?

scientific  attention (none or BAM), placement, within each of four networks
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-2 && bam table paper-2
cost        60 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-2` holds the counts against the paper's
"""

from studies.definition.study import Study
from studies.paper.networks import paper_table

STUDY = Study(
    name="paper-2",
    question="Should BAM stand at the bottlenecks or in every block?",
    within=("backbone",),
    scientific=("attention", "placement"),
    **paper_table("2"),
)
