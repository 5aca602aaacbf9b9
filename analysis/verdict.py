"""What a row's figures allow to say, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.statistics import PairedDifference, prediction_interval, seeds_needed

LEVEL = 0.05
"""Family-wise level at which a difference counts as resolved."""


def verdict(delta: PairedDifference | None, p_holm: float, comparisons: int) -> str:
    """Say what the differences of a row's errors from the baseline's allow to conclude.

    Args:
        delta: the paired difference of errors, row minus baseline (lower is better); None without a pair.
        p_holm: its p-value, adjusted for the table's comparisons.
        comparisons: how many comparisons the table makes.

    """
    if delta is None or delta.n < 2:
        return "not resolved: needs at least 2 paired seeds"
    if delta.sd == 0:
        return "changes nothing" if delta.mean == 0 else "not resolved: same Δ at every seed; needs more seeds"
    if p_holm < LEVEL:
        return "better" if delta.mean < 0 else "worse"
    needed = seeds_needed(delta.mean, delta.sd, level=LEVEL, comparisons=comparisons)
    if needed is None:
        return "not resolved: needs >1000 seeds"
    more = max(needed - delta.n, 1)
    return f"not resolved: needs about {more} more seed{'s' if more > 1 else ''}"


def reproduced(errors: Sequence[float], published: float | None) -> str:
    """Say whether one run of ours could have given the published error (both in percent).

    The published figure is a single run's, so it is held against the 95 % prediction interval of one new run;
    fewer than three runs of ours are too few to say.
    """
    if published is None or math.isnan(published):
        return ""
    if len(errors) < 3:
        return "not resolved"
    low, high = prediction_interval(errors)
    return "reproduced" if low <= published <= high else "not reproduced"
