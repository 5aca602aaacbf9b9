"""How large a paired difference is, measured by its own spread."""

from __future__ import annotations

import math

from scipy import special

from analysis.statistics.paired import PairedDifference


def cohens_dz(difference: PairedDifference) -> float:
    """Return Cohen's d_z = mean / sd of the differences, without unit (Cohen, 1988, section 2.3.5).

    The paired t is d_z · √n, and d_z is the `effect` of `paired_power`. It is no measure of what a difference is worth:
    the better the pairing by seed works, the larger it is. NaN for one pair and where all differences are equal.
    """
    return difference.mean / difference.sd if difference.sd > 0 else math.nan


def hedges_g(difference: PairedDifference) -> float:
    """Return d_z without its bias: J(n - 1) · d_z, with J(m) = Γ(m/2) / (√(m/2) · Γ((m - 1)/2)) (Hedges, 1981).

    Of normal differences, d_z of n pairs is too large by 1 / J on average: by 77 % for 3 pairs, 25 % for 5, 9 % for 10.
    For 2 pairs its mean does not exist and J is 0: NaN, as where d_z is.
    """
    degrees = difference.n - 1
    if degrees < 2:
        return math.nan
    log = special.gammaln(degrees / 2) - special.gammaln((degrees - 1) / 2)
    return cohens_dz(difference) * math.exp(log) / math.sqrt(degrees / 2)
