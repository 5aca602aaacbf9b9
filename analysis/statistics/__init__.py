"""Pure functions of arrays: paired differences, families of p-values, power, factorial designs, what a run may give."""

from analysis.statistics.anova import Source, anova
from analysis.statistics.bootstrap import bootstrap_interval
from analysis.statistics.effect import cohens_dz, hedges_g
from analysis.statistics.equivalence import least_margin, tost
from analysis.statistics.exact import sign_flip
from analysis.statistics.factorial import Factorial, Interaction, Level, factorial
from analysis.statistics.families import holm
from analysis.statistics.gaps import gaps
from analysis.statistics.paired import PairedDifference, differences, paired
from analysis.statistics.power import (
    equivalence_power,
    least_resolvable,
    paired_power,
    seeds_for_equivalence,
    seeds_needed,
)
from analysis.statistics.prediction import prediction_interval

__all__ = [
    "Factorial",
    "Interaction",
    "Level",
    "PairedDifference",
    "Source",
    "anova",
    "bootstrap_interval",
    "cohens_dz",
    "differences",
    "equivalence_power",
    "factorial",
    "gaps",
    "hedges_g",
    "holm",
    "least_margin",
    "least_resolvable",
    "paired",
    "paired_power",
    "prediction_interval",
    "seeds_for_equivalence",
    "seeds_needed",
    "sign_flip",
    "tost",
]
