"""Pure functions of arrays: paired differences, families of p-values, power, and what a new run may give."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

MOST_SEEDS = 1000
"""Beyond this many seeds a difference counts as out of reach."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Ours minus the baseline's, pair by pair, in the unit of the inputs (errors in %: percentage points).

    `sd` is the sample standard deviation of the differences (n - 1), `low` and `high` bound the t interval of
    their mean, `p` is the two-sided p-value of the paired t-test. NaN stands where n is too small to say.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float


def paired(ours: ArrayLike, baseline: ArrayLike, level: float = 0.95) -> PairedDifference:
    """Compare two samples pair by pair with Student's (1908) paired t: mean ± t(level, n - 1) · sd / √n.

    One pair has no spread: sd, interval and p are NaN. Differences that are all equal (to within the rounding
    of the subtraction) have sd 0: interval and p are NaN, since t divides by that 0, and errors are counts over a
    finite test set, so that a few equal differences are a coincidence, not certainty.

    Args:
        ours: one value a pair.
        baseline: the other value of each pair, in the same order.
        level: coverage of the interval.

    Raises:
        ValueError: no pairs, samples of unequal length, or a value that is not finite.

    """
    left, right = np.asarray(ours, dtype=float), np.asarray(baseline, dtype=float)
    if left.ndim != 1 or left.shape != right.shape or not left.size:
        raise ValueError(f"pairs need two samples of equal length, got shapes {left.shape} and {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("pairs need finite values")
    difference = left - right
    n, mean = difference.size, float(difference.mean())
    if n == 1:
        return PairedDifference(n=1, mean=mean, sd=math.nan, low=math.nan, high=math.nan, p=math.nan)
    rounding = 4 * np.finfo(float).eps * max(np.abs(left).max(), np.abs(right).max())
    sd = float(difference.std(ddof=1))
    if sd == 0 or np.ptp(difference) <= rounding:
        return PairedDifference(n=n, mean=mean, sd=0.0, low=math.nan, high=math.nan, p=math.nan)
    error = sd / math.sqrt(n)
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, n - 1))
    return PairedDifference(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half, p=p)


def holm(p_values: ArrayLike, comparisons: int | None = None) -> NDArray[np.float64]:
    """Adjust a family of p-values for multiplicity (Holm, 1979): the step-down Bonferroni.

    Sorted from the least, the i-th of m (from 0) is multiplied by m - i; none falls below the one before it,
    none exceeds 1. NaN stays NaN.

    Args:
        p_values: the p-values known so far.
        comparisons: m, how many comparisons the family has in all; by default those that are known.

    Raises:
        ValueError: a p-value outside [0, 1], or more of them than comparisons.

    """
    p = np.asarray(p_values, dtype=float)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"p-values must lie in [0, 1], got {p[(p < 0) | (p > 1)].tolist()}")
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    m = len(order) if comparisons is None else comparisons
    if m < len(order):
        raise ValueError(f"{len(order)} p-values of {m} comparisons")
    steps = (m - np.arange(len(order))) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def paired_power(effect: float, n: int, level: float = 0.05) -> float:
    """Return the power of the two-sided paired t-test of size `level` with n pairs.

    |T| exceeds its critical value c exactly where χ²(n-1) / (n-1) < (Z + effect · √n)² / c² for a standard
    normal Z; this is integrated over Z. It is the noncentral t's two tails (scipy's `nct` gives NaN for some).

    Args:
        effect: mean over sd of the differences, without unit.
        n: pairs, at least 2.
        level: the size of the test, two-sided.

    """
    z = np.linspace(-8.0, 8.0, 3201)
    critical = float(stats.t.isf(level / 2, n - 1))
    below = special.chdtr(n - 1, (n - 1) * ((z + effect * math.sqrt(n)) / critical) ** 2)
    return float(np.trapezoid(below * np.exp(-(z**2) / 2), z) / math.sqrt(2 * math.pi))


def seeds_needed(mean: float, sd: float, level: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int | None:
    """Return the least number of pairs that resolves a mean difference, should it and its spread persist.

    Args:
        mean: mean paired difference.
        sd: standard deviation of the paired differences, in the same unit.
        level: family-wise size of the two-sided test.
        power: probability of resolving the difference.
        comparisons: how many tests share `level` (Bonferroni: each gets its equal part).

    Returns:
        Pairs in total, at least 2; None for more than 1000, as for a mean of 0 or where either figure is NaN.

    """
    if math.isnan(mean) or math.isnan(sd) or mean == 0:
        return None
    if sd == 0:
        return 2
    sizes = range(2, MOST_SEEDS + 1)
    found = bisect_left(sizes, power, key=lambda n: paired_power(abs(mean) / sd, n, level / comparisons))
    return sizes[found] if found < len(sizes) else None


def least_resolvable(sd: float, n: int, level: float = 0.05, power: float = 0.8, comparisons: int = 1) -> float:
    """Return the least mean paired difference that n pairs resolve with the wanted power.

    Args:
        sd: standard deviation of the paired differences; the result has its unit.
        n: pairs.
        level: family-wise size of the two-sided test.
        power: probability of resolving the difference.
        comparisons: how many tests share `level` (Bonferroni: each gets its equal part).

    Returns:
        A difference above 0 (0 where sd is 0); NaN for fewer than two pairs or an unknown sd.

    """
    if n < 2 or math.isnan(sd):
        return math.nan

    def excess(effect: float) -> float:
        return paired_power(effect, n, level / comparisons) - power

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return sd * float(optimize.brentq(excess, 0.0, high, xtol=1e-10))


def prediction_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return where one new draw from the same normal falls: mean ± t(level, n - 1) · sd · √(1 + 1/n).

    (NaN, NaN) for fewer than two values.
    """
    sample = np.asarray(values, dtype=float)
    n = sample.size
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * float(sample.std(ddof=1)) * math.sqrt(1 + 1 / n)
    mean = float(sample.mean())
    return mean - half, mean + half
