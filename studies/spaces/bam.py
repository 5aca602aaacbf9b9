"""Question: which BAM works best, trained how?

searched    attention.branches, reduction, norm; dilation where there is a spatial branch, combine where there are both;
            placement, and after which stages; recipe.lr, recipe.weight_decay
fixed       all else; selected on a held-out fifth of train, never on test
command     bam search bam --preset small --trials 60 --pruner hyperband --confirm 3
"""

from dataclasses import replace

from lightning_bam.config import BAMSpec
from studies.definition.presets import PAPER, PRESETS
from studies.search.choices import Real
from studies.search.space import Space

SPACE = Space(
    name="bam",
    question="Which BAM works best: its structure, its place, its recipe?",
    base=replace(PAPER, attention=BAMSpec()),
    choices={
        "attention.branches": ("both", "channel", "spatial"),
        "attention.reduction": ("4", "8", "16", "32"),
        "attention.dilation": ("1", "2", "4", "6"),
        "attention.combine": ("sum", "product", "max"),
        "attention.norm": ("ends", "hidden", "both", "maps"),
        "placement": ("after_stages", "every_block"),
        "placement.stages": ("1", "2", "1,2", "1,2,3"),
        "recipe.lr": Real(0.02, 0.3, log=True),
        "recipe.weight_decay": Real(5e-5, 5e-3, log=True),
    },
    presets=PRESETS,
)
