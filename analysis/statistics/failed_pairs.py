"""What pairs that failed could have changed: tests in which each of them came out against the verdict.

Runs may fail for what they would have shown, as a diverging one does: then the pairs that are left are the good ones,
and a test of them alone is false too often. Here each failed pair is placed as far beyond the bound that is tested
(0 for a difference, the margin for equivalence) as the farthest of the others lies from it: what is still below the
level was not made by failures, unless what failed lies beyond all that was seen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def p_different(differences: Sequence[float], failed: int) -> float:
    """Return the two-sided p of the paired t-test, with so many `failed` pairs on the other side of 0 than the mean.

    `differences` are ours less the baseline's. Without a failed pair it is that of `analysis.statistics.paired.paired`;
    NaN for fewer than two differences.
    """
    ours = np.asarray(differences, dtype=float)
    return min(2 * p_below(-ours if ours.mean() > 0 else ours, failed), 1.0)  # NaN stays


def p_equivalent(differences: Sequence[float], failed: int, margin: float) -> float:
    """Return the p of equivalence within ± `margin`, with so many `failed` pairs outside it, on the worse side.

    Without a failed pair it is that of `analysis.statistics.paired.tost`; NaN for fewer than two differences.
    """
    ours = np.asarray(differences, dtype=float)
    return max(p_below(ours - margin, failed), p_below(-ours - margin, failed))


def p_below(values: ArrayLike, failed: int) -> float:
    """Return the one-sided p of the t-test that the mean is below 0, with so many more at the largest magnitude."""
    seen = np.asarray(values, dtype=float)
    if seen.size < 2:
        return float("nan")
    every = np.append(seen, [np.abs(seen).max()] * failed)
    error = every.std(ddof=1) / np.sqrt(every.size)
    return float(special.stdtr(every.size - 1, every.mean() / error)) if error > 0 else float("nan")
