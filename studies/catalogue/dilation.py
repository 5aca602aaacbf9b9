"""Question: how much context does BAM's spatial branch need?

scientific  attention (none or BAM), attention.dilation
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run dilation && bam table dilation; both take --preset small or findings
cost        25 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 12); equivalent within ±0.5: d=1 −0.19 [−0.44,
            +0.06], d=4 −0.19 [−0.47, +0.09], d=6 −0.17 [−0.51, +0.17]; no clear difference: d=2 −0.26 [−0.64, +0.13];
            not run yet at the paper's scale
"""

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.published import errors

ROWS = {"none": PAPER} | {f"d={d}": bam(dilation=d) for d in (1, 2, 4, 6)}

STUDY = Study(
    name="dilation",
    question="How much context does BAM's spatial branch need?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.dilation"),
    paper="1a",
    published=errors("1a", "resnet50", {"none": "none"} | {f"d={d}": f"dilation={d}" for d in (1, 2, 4, 6)}),
    presets=presets(ROWS),
)
