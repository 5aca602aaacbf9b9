"""Question: does training in bfloat16 change the error, or what BAM is worth?

scientific  attention (none or BAM), recipe.precision
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run precision && bam table precision; both take --preset small or findings
cost        20 runs of 200 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 10 to 12); equivalent within ±0.5: BAM −0.19
            [−0.45, +0.07], none, bf16 −0.25 [−0.52, +0.02]; better: BAM, bf16 −0.36 [−0.69, −0.02]; not run yet at the
            paper's scale
"""

from dataclasses import replace

from studies.catalogue import bam, presets
from studies.definition.presets import PAPER
from studies.definition.study import Study

SINGLE = {"none": PAPER, "BAM": bam()}
HALF = {f"{row}, bf16": replace(run, recipe=replace(run.recipe, precision="bf16")) for row, run in SINGLE.items()}
VARIED = ("attention", "recipe.precision")

STUDY = Study(
    name="precision",
    question="Does training in bfloat16 change the error, or what BAM is worth?",
    rows=SINGLE | HALF,
    baseline="none",
    scientific=VARIED,
    presets=presets(SINGLE | HALF, VARIED),
)
