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
    delta: PairedDifference | None,
    p_holm: float,
    *,
    comparisons: int,
    wanted: int,
    unchanged: bool = False,
    higher_is_better: bool = False,
) -> str:
    """Say what the differences of a row's figures from the baseline's allow to conclude.

    Args:
        delta: the paired difference of figures, row minus baseline; None without a pair.
        p_holm: its p-value, adjusted for the study's comparisons.
        comparisons: how many comparisons the study makes.
        wanted: how many seeds the study asks for; before that, a verdict is one of the moment.
        unchanged: whether the row computed exactly what the baseline did.
        higher_is_better: whether a figure is better for being higher, as a mAP, or lower, as an error.

    """
    if unchanged:
        return "changes nothing"
    if delta is None or delta.n < 2:
        return "not resolved: needs at least 2 paired seeds"
    if delta.sd == 0:
        return "not resolved: same Δ at every seed; needs more seeds"
    if p_holm < LEVEL:
        word = "better" if (delta.mean > 0) == higher_is_better else "worse"
        return word if delta.n >= wanted else f"{word} so far ({delta.n} of {wanted} seeds)"
    needed = seeds_needed(delta.mean, delta.sd, level=LEVEL, comparisons=comparisons)
    if needed is None:
        return "not resolved: needs >1000 seeds"
    more = max(needed - delta.n, 1)
    return f"not resolved: needs about {more} more seed{'s' if more > 1 else ''}"


def reproduced(figures: Sequence[float], published: float | None) -> str:
    """Say whether one run of ours could have given the published figure (both in percent).

    The published figure is taken for a single run's, as the paper gives one number a cell and no spread. If that run
    and ours, n of them, are draws from one normal distribution, it falls outside the prediction interval of one new
    run, mean ± t(95 %, n - 1) · sd · √(1 + 1/n), once in twenty times. So:

    - `not run`: there is none of ours;
    - `not reproduced`: outside. Of many figures that agree, one in twenty is called so: a table is judged by how many
      of its rows are, not by one of them;
    - `reproduced`: inside, with at least three runs and an interval of at most ± `MARGIN`. The figure is compatible
      with ours, no more: a true difference within the interval goes unseen;
    - `not resolved`: inside a wider interval, fewer runs, or runs that all gave the same figure and so no spread.

    Nothing here can know what the paper selected: the best epoch or the best of several runs, which would make its
    figure lower than a single last epoch's, as ours are.
    """
    if published is None or math.isnan(published):
        return ""
    if not figures:
        return "not run"
    if len(figures) < 3 or len(set(figures)) == 1:
        return "not resolved"
    low, high = prediction_interval(figures)
    if not low <= published <= high:
        return "not reproduced"
    return "reproduced" if high - low <= 2 * MARGIN else "not resolved"
