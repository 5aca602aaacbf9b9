"""Question: the paper's equations or the authors' released code: which combination, norm and initial weights?

They disagree on the sum (paper) or product (code) of the branches and on where the norms stand (at the branch ends, on
the hidden layers), and the code initialises its convs otherwise than torch does. Nobody has settled it with seeds. Each
of sum, product and maximum is crossed with norms at the ends, on the hidden layers and on both, and with torch's,
kaiming and zero initial weights. Product with zero is left out: each branch's gradient is multiplied by the other
branch, both start at 0, and so it never learns.

scientific  attention (none or BAM), attention.combine, attention.norm, attention.init
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), r = 16, d = 4
command     bam run paper-vs-code && bam table paper-vs-code; both take --preset small or findings
cost        125 runs of 200 epochs; not measured yet
n           5 seeds a row; p is adjusted for 24 comparisons
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 10 to 12); no clear difference: sum, ends, torch
            −0.19 [−0.56, +0.17], sum, ends, kaiming −0.13 [−0.57, +0.31], sum, ends, zero −0.38 [−0.76, +0.00], sum,
            hidden, torch −0.22 [−0.65, +0.20], sum, hidden, kaiming −0.24 [−0.61, +0.12], sum, hidden, zero −0.35
            [−0.80, +0.09], sum, both, torch +0.08 [−0.43, +0.59], sum, both, kaiming −0.14 [−0.58, +0.30], sum, both,
            zero −0.24 [−0.63, +0.15], product, ends, torch −0.19 [−0.65, +0.27], product, both, torch −0.19 [−0.54,
            +0.16], product, both, kaiming −0.17 [−0.55, +0.21], max, ends, torch −0.20 [−0.55, +0.15], max, ends, zero
            −0.21 [−0.55, +0.12], max, hidden, zero −0.18 [−0.55, +0.19]; equivalent within ±0.5: product, ends, kaiming
            −0.12 [−0.52, +0.27], product, hidden, torch −0.11 [−0.53, +0.31], product, hidden, kaiming −0.13 [−0.41,
            +0.14], max, ends, kaiming −0.11 [−0.53, +0.30], max, hidden, torch −0.13 [−0.48, +0.22], max, hidden,
            kaiming −0.12 [−0.41, +0.18], max, both, torch −0.12 [−0.53, +0.29], max, both, kaiming −0.04 [−0.45,
            +0.38]; better within ±0.5: max, both, zero −0.27 [−0.52, −0.03]; not run yet at the paper's scale
"""

from itertools import product

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study

ROWS = {"none": PAPER} | {
    f"{combine}, {norm}, {init}": bam(combine=combine, norm=norm, init=init)
    for combine in ("sum", "product", "max")
    for norm, init in product(("ends", "hidden", "both"), ("torch", "kaiming", "zero"))
    if (combine, init) != ("product", "zero")
}

STUDY = Study(
    name="paper-vs-code",
    question="The paper's equations or the authors' released code: which combination, norm and initial weights?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.combine", "attention.norm", "attention.init"),
    presets=presets(ROWS),
)
