"""Pure functions of arrays: paired differences, families of p-values, power, and what a new run may give."""

from analysis.statistics.families import holm
from analysis.statistics.paired import PairedDifference, paired
from analysis.statistics.power import least_resolvable, paired_power, seeds_needed
from analysis.statistics.prediction import prediction_interval

__all__ = [
    "PairedDifference",
    "holm",
    "least_resolvable",
    "paired",
    "paired_power",
    "prediction_interval",
    "seeds_needed",
]
