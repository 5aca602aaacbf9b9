"""Question: sum, product or maximum of BAM's two branches?

scientific  attention (none or BAM), attention.combine
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends (without them the three start from differently saturated gates)
command     bam run combine && bam table combine; both take --preset small or findings
cost        20 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 12); equivalent within ±0.5: sum −0.19 [−0.45,
            +0.07], product −0.19 [−0.52, +0.14], max −0.20 [−0.45, +0.05]; not run yet at the paper's scale
"""

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study
from studies.paper.published import errors

ROWS = {"none": PAPER} | {name: bam(combine=name) for name in ("sum", "product", "max")}

STUDY = Study(
    name="combine",
    question="Sum, product or maximum of BAM's two branches?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.combine"),
    paper="1b",
    published=errors("1b", "resnet50", {"none": "none", "sum": "sum", "product": "product", "max": "max"}),
    presets=presets(ROWS),
)
