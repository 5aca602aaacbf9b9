"""What paired differences say without a normal distribution: a bootstrap interval, and an exact sign-flip test."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics.paired import differences

RESAMPLES = 9999
"""How often the differences are drawn again; their bounds then move by about a fiftieth of the interval's width."""
MOST_ENUMERATED = 20
"""Up to this many pairs all 2^n sign patterns are counted; beyond, `DRAWN` patterns are drawn."""
DRAWN = 99_999


def bootstrap_interval(
    ours: ArrayLike,
    baseline: ArrayLike,
    generator: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Bound the mean paired difference by the bias-corrected and accelerated bootstrap (BCa; Efron, 1987), expanded.

    Of few pairs BCa as it is printed is too narrow: of 10 normal differences it covers 90 %. So the normal quantile is
    expanded to sqrt(n / (n - 1)) t, as Hesterberg (The American Statistician 69, 2015, section 4.3) does for percentile
    intervals, with Student's t on n - 2 degrees of freedom instead of his n - 1: the acceleration is estimated, too. It
    then covers 95 % to within a point, 8 pairs or 20, normal or not (`tests/benchmarks/inference.py`).

    A bootstrap interval lies between the least and the greatest difference, and all n fall on the same side of a true
    median with probability 2 / 2^n. Where that is more than a quarter of what the interval may miss, with fewer than 8
    pairs at 95 %, it is (NaN, NaN), as for differences that are all equal.
    """
    from scipy import stats  # takes most of a second, which a table as text has no use for

    difference = differences(ours, baseline)
    if 2.0 ** (1 - difference.size) > (1 - level) / 4 or np.ptp(difference) == 0:
        return math.nan, math.nan
    wider = 1 - 2 * float(special.ndtr(-expansion(difference.size, level)))
    bounds = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, confidence_level=wider, method="BCa", rng=generator
    ).confidence_interval
    return float(bounds.low), float(bounds.high)


def expansion(pairs: int, level: float) -> float:
    """Return what stands for the normal quantile in an interval of so many pairs (3 at least) and that level."""
    return math.sqrt(pairs / (pairs - 1)) * float(special.stdtrit(pairs - 2, (1 + level) / 2))


def sign_flip(ours: ArrayLike, baseline: ArrayLike, generator: np.random.Generator, *, magnitude: float = 0.0) -> float:
    """Return the two-sided p-value of Fisher's (1935) sign-flip test of a mean paired difference of zero.

    p is the share of the 2^n sign patterns whose sum is at least as far from 0 as that of the differences, and so exact
    at every n, whatever the distribution, and never below 2 / 2^n: fewer than 6 pairs resolve nothing at 0.05.
    Beyond 20 pairs the patterns are drawn, and p = (1 + hits) / (1 + drawn) as in Phipson and Smyth (2010), which holds
    the level too; it is uncertain by ± 0.0014 (two standard errors) near 0.05.

    Sums that are equal but for rounding count as equal: `magnitude` is how large the figures were that the values come
    from, where they are differences already.
    """
    difference = differences(ours, baseline)
    size = max(float(np.abs(ours).sum() + np.abs(baseline).sum()), 2 * magnitude * difference.size)
    least = abs(float(difference.sum())) - 4 * difference.size * np.finfo(float).eps * size
    if difference.size <= MOST_ENUMERATED:
        sums = np.zeros(1)
        for each in difference:
            sums = np.concatenate([sums + each, sums - each])
        return float(np.mean(np.abs(sums) >= least))
    sums = np.zeros(DRAWN)
    for each in difference:
        sums += generator.choice([-each, each], DRAWN)
    return float(1 + np.count_nonzero(np.abs(sums) >= least)) / (1 + DRAWN)
