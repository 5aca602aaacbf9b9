"""What a row's figures allow to say, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from analysis.statistics.paired import PairedDifference, prediction_interval
from analysis.statistics.power import closing, lesser
from analysis.table.interim import Interim
from studies.definition.stopping import Stopping

LEVEL = 0.05
"""Family-wise level at which a difference counts as resolved."""


OUTCOMES = (
    *("better", "worse", "equivalent", "changes nothing", "not resolved", "open", "baseline"),
    *("failed", "unfinished", "not run"),
)
"""What a verdict begins with."""

MARGIN = 1.0
"""Half-width in percentage points beyond which an interval is too wide to call a published error reproduced."""


def verdict(
    delta: PairedDifference | None,
    p_holm: float,
    *,
    comparisons: int,
    wanted: int,
    failed: int = 0,
    unchanged: bool = False,
    higher_is_better: bool = False,
    p_tost: float = math.nan,
    margin: float | None = None,
) -> str:
    """Say what the differences of a row's figures from the baseline's allow to conclude.

    Args:
        delta: the paired difference of figures, row minus baseline; None without a pair.
        p_holm: its p-value, adjusted for the study's comparisons.
        comparisons: how many comparisons the study makes.
        wanted: how many seeds the study asks for; before that, a verdict is one of the moment.
        failed: at how many of them the row or its baseline has failed; then a verdict is one on the others.
        unchanged: whether the row computed exactly what the baseline did.
        higher_is_better: whether a figure is better for being higher, as a mAP, or lower, as an error.
        p_tost: the p-value of equivalence within `margin`, adjusted for the study's comparisons.
        margin: the largest difference that is too small to matter, in percentage points, if the study names one.

    """
    if unchanged:
        return "changes nothing"
    if delta is None or delta.n < 2:
        return "not resolved: needs at least 2 paired seeds"
    if delta.sd == 0:
        return "not resolved: same Δ at every seed; needs more seeds"
    within = f"within ±{margin:g}" if margin is not None and p_tost < LEVEL else ""
    if p_holm < LEVEL or within:
        word = direction(delta, higher_is_better) if p_holm < LEVEL else "equivalent"
        word = " ".join(filter(None, (word, within)))
        return word if delta.n >= wanted else f"{word}{_on(delta.n, wanted, failed)}"
    found = closing(delta, level=LEVEL, comparisons=comparisons, margin=margin)
    more = lesser(found)
    if more is None:
        return "not resolved: needs >1000 seeds"
    what = "" if margin is None else " to differ" if more == found.to_differ else " to be equivalent"
    return f"not resolved: needs about {more} more seed{'s' if more > 1 else ''}{what}"


def _on(n: int, wanted: int, failed: int) -> str:
    """Say on how many seeds a verdict is, and whether more are to come: not where all the others have failed."""
    so_far = " so far" if n + failed < wanted else ""
    return f"{so_far} ({n} of {wanted} seeds{f'; {failed} failed' if failed else ''})"


def without_figures(states: Mapping[str, int]) -> str:
    """Say why a row has no figure: its runs have failed, have begun, or were not begun.

    Args:
        states: how many of its runs are missing, failed, interrupted or running.

    """
    if states.get("failed"):
        return "failed"
    return "unfinished" if any(states.get(state) for state in ("interrupted", "running")) else "not run"


def outcome(said: str) -> str:
    """Return what a verdict begins with, one of `OUTCOMES`."""
    return next(word for word in OUTCOMES if said.startswith(word))


def is_settled(said: str) -> bool:
    """Say whether a verdict is one on all wanted seeds."""
    return not said.endswith(")")


def direction(delta: PairedDifference, higher_is_better: bool) -> str:
    """Return which way a resolved difference goes."""
    return "better" if (delta.mean > 0) == higher_is_better else "worse"


def by_rule(found: Interim, rule: Stopping, *, higher_is_better: bool, margin: float | None) -> str:
    """Say where a row stands whose seeds follow a stopping rule.

    Args:
        found: at the last look.
        rule: of the study.
        higher_is_better: whether a figure is better for being higher.
        margin: the largest difference that is too small to matter, if the study names one.

    """
    if found.delta is None:
        return f"open: first look at {found.wanted} seeds"
    if found.outcome == "open":
        return f"open: next look at {found.wanted} seeds"
    if found.outcome == "exhausted":
        return f"not resolved by {rule.most} seeds, the last look"
    within = found.tost is not None and found.tost_limit is not None and found.tost <= found.tost_limit
    word = direction(found.delta, higher_is_better) if found.outcome == "different" else "equivalent"
    return f"{word} within ±{margin:g}" if within else word


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
