"""Question: does BAM help more than squeeze-and-excitation?

scientific  attention (none, SE in every block, BAM at the bottlenecks), placement, within each of four networks
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-5 && bam table paper-5
cost        60 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-5` holds the counts against the paper's
"""

from studies.definition.study import Study
from studies.paper.networks import paper_table

STUDY = Study(
    name="paper-5",
    question="Does BAM help more than squeeze-and-excitation?",
    within=("backbone",),
    scientific=("attention", "placement"),
    **paper_table("5"),
)
