"""Question: does BAM need both branches?

scientific  attention (none or BAM), attention.branches
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run branches && bam table branches; both take --preset small or findings
cost        20 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 10 to 12); equivalent within ±0.5: channel −0.13
            [−0.55, +0.29], spatial −0.22 [−0.51, +0.07], both −0.19 [−0.45, +0.07]; not run yet at the paper's scale
"""

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.published import errors

ROWS = {"none": PAPER} | {name: bam(branches=name) for name in ("channel", "spatial", "both")}

STUDY = Study(
    name="branches",
    question="Does BAM need both branches?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.branches"),
    paper="1b",
    published=errors("1b", "resnet50", {"none": "none", "channel": "channel", "spatial": "spatial", "both": "sum"}),
    presets=presets(ROWS),
)
