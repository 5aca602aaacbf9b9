"""Question: is BAM's gain more than that of another block at the same places?

scientific  attention (none, a block of the network's own kind, BAM), within each of three networks
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-1c && bam table paper-1c
cost        45 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-1c` holds the counts against the paper's
"""

from studies.definition.study import Study
from studies.paper.networks import paper_table

STUDY = Study(
    name="paper-1c",
    question="Is BAM's gain more than that of another block at the same places?",
    within=("backbone",),
    scientific=("attention",),
    **paper_table("1c"),
)
