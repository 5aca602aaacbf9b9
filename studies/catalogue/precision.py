"""Question: does training in bfloat16 change the error, or what BAM is worth?

scientific  attention (none or BAM), recipe.precision
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (the paper's is unknown), norms at the
            branch ends
command     bam run precision && bam table precision; both take --preset small or findings
cost        20 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet at the paper's scale; the paper has no such table
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
