"""Differences of two samples, pair by pair: t-test, equivalence, effect size, and what new runs may give."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Ours minus the baseline's, pair by pair, in the unit of the inputs; `sd` is the sample's (n - 1), `p` two-sided.

    `low` and `high` bound the t interval of the mean. NaN stands where n is too small to say.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float


def differences(ours: ArrayLike, baseline: ArrayLike, *, magnitude: float = 1e-130) -> NDArray[np.float64]:
    """Return ours minus the baseline's, pair by pair, shape (n,); those that are equal to within rounding made equal.

    `magnitude` is how large the figures were that the values come from, where they are differences already. Raises
    ValueError: no pairs, samples of unequal length, or a value that is not finite.
    """
    left, right = np.asarray(ours, dtype=float), np.asarray(baseline, dtype=float)
    if left.ndim != 1 or left.shape != right.shape or not left.size:
        raise ValueError(f"pairs need two samples of equal length, got shapes {left.shape} and {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("pairs need finite values")
    difference = left - right
    rounding = 4 * np.finfo(float).eps * max(np.abs(left).max(), np.abs(right).max(), magnitude)
    return np.full_like(difference, difference.mean()) if np.ptp(difference) <= rounding else difference


def paired(
    ours: ArrayLike, baseline: ArrayLike, level: float = 0.95, *, outside: float | None = None
) -> PairedDifference:
    """Compare two samples pair by pair with Student's (1908) paired t: mean ± t(level, n - 1) · sd / √n.

    One pair has no sd, interval and p: NaN. Equal differences have sd 0, and NaN for the others: errors are counts over
    a finite test set, so a few equal ones are a coincidence, not certainty. `outside` is the chance that the interval
    misses, for one too small to be 1 less `level`.
    """
    difference = differences(ours, baseline)
    n, mean = difference.size, float(difference.mean())
    if abs(mean) <= 4 * np.finfo(float).eps * max(np.abs(ours).max(), np.abs(baseline).max()):
        mean = 0.0  # the rounding of figures that cancel
    if np.ptp(difference) == 0:
        sd = math.nan if n == 1 else 0.0
        return PairedDifference(n=n, mean=mean, sd=sd, low=math.nan, high=math.nan, p=math.nan)
    sd = float(difference.std(ddof=1))
    error = sd / math.sqrt(n)
    half = -float(special.stdtrit(n - 1, (1 - level if outside is None else outside) / 2)) * error
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / error))
    return PairedDifference(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half, p=p)


MOST: Final = 100.0
"""No figure that differences are taken of is larger, nor differs by more: all of them are in percent."""


def possible(difference: float) -> float:
    """Return the difference, or where there can be none as large the largest that there can be; NaN as it is."""
    return min(max(difference, -MOST), MOST)


def tost(difference: PairedDifference, margin: float) -> float:
    """Return the p-value of equivalence within ± `margin`: two one-sided paired t-tests (Schuirmann, 1987).

    It is below 0.05 exactly where the 90 % t interval lies within the margin, which has the unit of the difference. NaN
    for one pair and where all differences are equal.
    """
    if not difference.sd > 0:
        return math.nan
    error = difference.sd / math.sqrt(difference.n)
    return float(special.stdtr(difference.n - 1, -(margin - abs(difference.mean)) / error))


def cohens_dz(difference: PairedDifference) -> float:
    """Return Cohen's d_z = mean / sd of the differences (1988, section 2.3.5); NaN for one pair or equal ones."""
    return difference.mean / difference.sd if difference.sd > 0 else math.nan


def hedges_g(difference: PairedDifference) -> float:
    """Return d_z without its bias: J(n - 1) · d_z, with J(m) = Γ(m/2) / (√(m/2) · Γ((m - 1)/2)) (Hedges, 1981).

    For 2 pairs its mean does not exist and J is 0: NaN, as where d_z is.
    """
    half = (difference.n - 1) / 2
    if half < 1:
        return math.nan
    return cohens_dz(difference) * float(special.poch(half - 0.5, 0.5)) / math.sqrt(half)


def prediction_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return where one new draw from the same normal falls: mean ± t(level, n - 1) · sd · √(1 + 1/n); NaN for n < 2."""
    sample = np.asarray(values, dtype=float)
    n = sample.size
    if n < 2:
        return math.nan, math.nan
    half = -float(special.stdtrit(n - 1, (1 - level) / 2)) * float(sample.std(ddof=1)) * math.sqrt(1 + 1 / n)
    mean = float(sample.mean())
    return mean - half, mean + half


def predicted_difference(ours: ArrayLike, baseline: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return where the difference of two new runs falls, one of each, whose seeds need not be the same.

    `ours` and `baseline` are pairs with the mean difference d. Around d the new one varies by the variance of a run of
    each and that of d itself: V = s_ours^2 + s_baseline^2 + s_d^2 / n = trace(A S), with the pairs' covariance S (n - 1
    degrees of freedom) and A = 1 + w w^T / n, w = (1, -1). The bounds are d ± t(level, f) · √V with f = (n - 1) ·
    trace(A S)^2 / trace(A S A S), from n - 1 to twice that (Satterthwaite, 1946, where variances covary). NaN for n < 2
    and where no run differs from another.
    """
    pairs = np.array([ours, baseline], dtype=float)
    n = pairs.shape[1]
    if not np.ptp(pairs, axis=1).any():
        return math.nan, math.nan
    product = (np.eye(2) + np.array([[1.0, -1.0], [-1.0, 1.0]]) / n) @ np.cov(pairs)
    variance = float(np.trace(product))
    freedom = (n - 1) * variance**2 / float(np.trace(product @ product))
    half = -float(special.stdtrit(freedom, (1 - level) / 2)) * math.sqrt(variance)
    mean = float(np.mean(pairs[0] - pairs[1]))
    return mean - half, mean + half
