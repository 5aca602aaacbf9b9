"""Question: which BAM works best?

searched    attention.reduction, attention.dilation, attention.combine, placement
fixed       all else, seed 0 included; selected on a held-out fifth of train, never on test
command     bam search bam --preset small --trials 30
"""

from __future__ import annotations

from dataclasses import replace

from lightning_bam.config import BAMSpec
from studies.presets import PAPER, PRESETS
from studies.space import Space

SPACE = Space(
    name="bam",
    question="Which BAM works best: reduction, dilation, combination of the branches, placement?",
    base=replace(PAPER, attention=BAMSpec()),
    choices={
        "attention.reduction": ("4", "8", "16", "32"),
        "attention.dilation": ("1", "2", "4", "6"),
        "attention.combine": ("sum", "product", "max"),
        "placement": ("after_stages", "every_block"),
    },
    presets=PRESETS,
)
