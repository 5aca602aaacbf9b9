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
result      not run yet at the paper's scale
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
