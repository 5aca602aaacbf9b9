"""Question: does BAM help every network on CIFAR-100?

scientific  attention (none or BAM), within each of eight networks
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-3a && bam table paper-3a
cost        80 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-3a` holds the counts against the paper's
"""

from studies.definition.study import Study
from studies.paper.networks import paper_table

STUDY = Study(
    name="paper-3a",
    question="Does BAM help every network on CIFAR-100?",
    within=("backbone",),
    scientific=("attention",),
    **paper_table("3a"),
)
