"""Question: how much context does BAM's spatial branch need, and how far can its hidden layers be
reduced?

scientific  attention (none or BAM), attention.dilation, attention.reduction
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100 with the assumptions that studies/paper/networks.py lists where the paper is silent
command     bam run paper-1a && bam table paper-1a
cost        40 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; `bam table paper-1a` holds the counts against the paper's
"""

from studies.catalogue import bam
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.networks import BAM
from studies.paper.published import published

STUDY = Study(
    name="paper-1a",
    question="How much context does BAM's spatial branch need, and how far can its hidden layers be reduced?",
    rows={
        "none": PAPER,
        **{f"d={d}, r=16": bam(BAM, dilation=d, reduction=16) for d in (1, 2, 4, 6)},
        **{f"d=4, r={r}": bam(BAM, dilation=4, reduction=r) for r in (4, 8, 32)},
    },
    baseline="none",
    scientific=("attention", "attention.dilation", "attention.reduction"),
    paper="1a",
    published={
        "none": published("1a", "resnet50", "none"),
        **{f"d={d}, r=16": published("1a", "resnet50", f"dilation={d}") for d in (1, 2, 6)},
        "d=4, r=16": published("1a", "resnet50", "dilation=4", "reduction=16"),
        **{f"d=4, r={r}": published("1a", "resnet50", f"reduction={r}") for r in (4, 8, 32)},
    },
)
