"""What a number of paired seeds can resolve, how many a difference needs, and how many its absence."""

import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from scipy import special

MOST_SEEDS = 1000
"""Beyond this many seeds a difference counts as out of reach."""


def paired_power(effect: float, n: int, level: float = 0.05) -> float:
    """Return the power of the two-sided paired t-test of size `level` with n pairs, at least 2.

    `effect` is mean over sd of the differences. |T| exceeds its critical value c exactly where
    χ²(n-1) / (n-1) < (Z + effect · √n)² / c² for a standard normal Z; this is integrated over Z. It is the noncentral
    t's two tails (scipy's `nct` gives NaN for some).
    """
    z = np.linspace(-8.0, 8.0, 3201)
    critical = -float(special.stdtrit(n - 1, level / 2))
    below = special.chdtr(n - 1, (n - 1) * ((z + effect * math.sqrt(n)) / critical) ** 2)
    return float(np.trapezoid(below * np.exp(-(z**2) / 2), z) / math.sqrt(2 * math.pi))


def seeds_needed(mean: float, sd: float, level: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int | None:
    """Return the least number of pairs that resolves a mean difference with this power, should it and its sd persist.

    `comparisons` tests share the family-wise `level` (Bonferroni). None for more than 1000 or unknown, as for a mean of
    0.
    """
    if math.isnan(mean) or math.isnan(sd) or mean == 0:
        return None
    if sd == 0:
        return 2
    effect, level = abs(mean) / sd, level / comparisons
    return _least_pairs(lambda n: paired_power(effect, n, level), power)


def _least_pairs(power_of: Callable[[int], float], power: float) -> int | None:
    """Return the least number of pairs with this power, which rises with them; None beyond `MOST_SEEDS`."""
    pairs = bisect_left(range(MOST_SEEDS + 1), power, lo=2, key=power_of)
    return pairs if pairs <= MOST_SEEDS else None


def equivalence_power(margin: float, n: int, level: float = 0.05, effect: float = 0.0) -> float:
    """Return how often `tost` claims equivalence from n pairs; `margin` and `effect` are in sd of the differences.

    It does where χ²(n-1) / (n-1) < (margin · √n - |Z|)² / c², with the one-sided critical value c of t(n - 1) and a
    normal Z around effect · √n, with variance 1 and |Z| below margin · √n; integrated over |Z|.
    """
    reach, shift = margin * math.sqrt(n), abs(effect) * math.sqrt(n)
    if shift - 8.0 >= reach:
        return 0.0
    z = np.linspace(max(shift - 8.0, 0.0), min(reach, shift + 8.0), 3201)
    critical = -float(special.stdtrit(n - 1, level))
    below = special.chdtr(n - 1, (n - 1) * ((reach - z) / critical) ** 2)
    density = np.exp(-((z - shift) ** 2) / 2) + np.exp(-((z + shift) ** 2) / 2)
    return float(np.trapezoid(below * density, z) / math.sqrt(2 * math.pi))


def seeds_for_equivalence(margin: float, mean: float, sd: float, level: float = 0.05, power: float = 0.8) -> int | None:
    """Return the least number of pairs that claims equivalence within ± `margin`, likewise; None if it is not."""
    if math.isnan(sd) or not abs(mean) < margin:
        return None
    if sd == 0:
        return 2
    return _least_pairs(lambda n: equivalence_power(margin / sd, n, level, mean / sd), power)


def least_resolvable(sd: float, n: int, level: float = 0.05, power: float = 0.8, comparisons: int = 1) -> float:
    """Return the least mean paired difference that n pairs resolve with this power, in the unit of `sd`.

    `comparisons` tests share the family-wise `level` (Bonferroni). NaN for fewer than two pairs or an unknown sd.
    """
    from scipy import optimize

    if n < 2 or math.isnan(sd):
        return math.nan

    def excess(effect: float) -> float:
        return paired_power(effect, n, level / comparisons) - power

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return sd * float(optimize.brentq(excess, 0.0, high, xtol=1e-10))
