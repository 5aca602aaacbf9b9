"""Question: where should BAM's batch norms stand: at the branch ends (the paper's equations), on the hidden
layers (the authors' released code), or both?

scientific  attention (none or BAM), attention.norm
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), sum
command     bam run norm && bam table norm; both take --preset small or findings
cost        20 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 10 to 12); equivalent within ±0.5: ends −0.19
            [−0.45, +0.07], hidden −0.22 [−0.53, +0.08], both −0.02 [−0.46, +0.42]; not run yet at the paper's scale
"""

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study

ROWS = {"none": PAPER} | {name: bam(norm=name) for name in ("ends", "hidden", "both")}

STUDY = Study(
    name="norm",
    question="Where should BAM's batch norms stand: at the branch ends, on the hidden layers, or both?",
    rows=ROWS,
    baseline="none",
    scientific=("attention", "attention.norm"),
    presets=presets(ROWS),
)
