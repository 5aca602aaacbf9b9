"""Question: how far can BAM's hidden layers be reduced before it stops helping?

scientific  attention (none or BAM), attention.reduction
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run reduction && bam table reduction; both take --preset small or findings (there r = 1, 2, 4, 8:
            16 channels after the first stage)
cost        25 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 12); no clear difference: r=1 −0.28 [−0.62,
            +0.06], r=8 −0.26 [−0.68, +0.16]; equivalent within ±0.5: r=2 −0.19 [−0.52, +0.15], r=4 −0.19 [−0.47,
            +0.09]; not run yet at the paper's scale
"""

from dataclasses import replace

from lightning_bam.config import BAMSpec
from studies.catalogue import bam
from studies.definition.presets import FINDINGS, PAPER, PRESETS
from studies.definition.study import Study
from studies.paper.published import errors

STUDY = Study(
    name="reduction",
    question="How far can BAM's hidden layers be reduced before it stops helping?",
    rows={"none": PAPER} | {f"r={r}": bam(reduction=r) for r in (4, 8, 16, 32)},
    baseline="none",
    scientific=("attention", "attention.reduction"),
    paper="1a",
    published=errors("1a", "resnet50", {"none": "none"} | {f"r={r}": f"reduction={r}" for r in (4, 8, 16, 32)}),
    presets=PRESETS
    | {
        "findings": {"none": FINDINGS}
        | {f"r={r}": replace(FINDINGS, attention=BAMSpec(reduction=r)) for r in (1, 2, 4, 8)}
    },
)
