"""What a row's figures allow to say, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.statistics import PairedDifference, prediction_interval, seeds_needed

LEVEL = 0.05
"""Family-wise level at which a difference counts as resolved."""


MARGIN = 1.0
"""Half-width in percentage points beyond which an interval is too wide to call a published error reproduced."""


def verdict(
    delta: PairedDifference | None, p_holm: float, *, comparisons: int, wanted: int, unchanged: bool = False
) -> str:
    """Say what the differences of a row's errors from the baseline's allow to conclude.

    Args:
        delta: the paired difference of errors, row minus baseline (lower is better); None without a pair.
        p_holm: its p-value, adjusted for the study's comparisons.
        comparisons: how many comparisons the study makes.
        wanted: how many seeds the study asks for; before that, a verdict is one of the moment.
        unchanged: whether the row computed exactly what the baseline did.

    """
    if unchanged:
        return "changes nothing"
    if delta is None or delta.n < 2:
        return "not resolved: needs at least 2 paired seeds"
    if delta.sd == 0:
        return "not resolved: same Δ at every seed; needs more seeds"
    if p_holm < LEVEL:
        word = "better" if delta.mean < 0 else "worse"
        return word if delta.n >= wanted else f"{word} so far ({delta.n} of {wanted} seeds)"
    needed = seeds_needed(delta.mean, delta.sd, level=LEVEL, comparisons=comparisons)
    if needed is None:
        return "not resolved: needs >1000 seeds"
    more = max(needed - delta.n, 1)
    return f"not resolved: needs about {more} more seed{'s' if more > 1 else ''}"


def reproduced(errors: Sequence[float], published: float | None) -> str:
    """Say whether one run of ours could have given the published error (both in percent).

    The published figure is a single run's, so it is held against the 95 % prediction interval of one new run. Fewer
    than three runs of ours, or an interval wider than ± `MARGIN` that holds it, are too little to call it reproduced.
    """
    if published is None or math.isnan(published):
        return ""
    if len(errors) < 3:
        return "not resolved"
    low, high = prediction_interval(errors)
    if not low <= published <= high:
        return "not reproduced"
    return "reproduced" if high - low <= 2 * MARGIN else "not resolved"
