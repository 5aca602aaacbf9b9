"""Question: does BAM help every network on ImageNet?

scientific  attention (none or BAM), within each of ten networks (MobileNet 1.0 at two resolutions)
nuisance    seed (initial weights and order of the data)
fixed       ImageNet with the authors' script, for every network, MobileNet and SqueezeNet too, and the assumptions that
            studies/paper/networks.py lists where the paper is silent
command     bam run paper-3b && bam table paper-3b
cost        100 runs of 100 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-3b` holds the counts against the paper's
"""

from studies.definition.study import Study
from studies.paper.networks import paper_table

STUDY = Study(
    name="paper-3b",
    question="Does BAM help every network on ImageNet?",
    within=("backbone", "dataset"),
    scientific=("attention",),
    **paper_table("3b"),
)
