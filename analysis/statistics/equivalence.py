"""Whether a paired difference is small enough to be called none."""

from __future__ import annotations

import math

from scipy import special

from analysis.statistics.paired import PairedDifference


def tost(difference: PairedDifference, margin: float) -> float:
    """Return the p-value of equivalence within ± `margin`: two one-sided paired t-tests (Schuirmann, 1987).

    One test refutes a true difference of -margin or less, the other one of +margin or more; p is the larger of the two.
    A p below 0.05 claims that the true difference lies within the margin. It is below 0.05 exactly where the 90 % t
    interval does. A large p claims nothing.

    NaN for one pair and where all differences are equal: a few equal differences tell no spread (see `paired`).

    Args:
        difference: what was seen.
        margin: the largest difference that does not matter, in the unit of the difference (errors in %: percentage
            points); it has to be chosen before the result is known.

    Raises:
        ValueError: a margin that is not above 0.

    """
    if not margin > 0:
        raise ValueError(f"margin {margin}: must be above 0")
    if not difference.sd > 0:
        return math.nan
    error = difference.sd / math.sqrt(difference.n)
    return float(special.stdtr(difference.n - 1, -(margin - abs(difference.mean)) / error))
