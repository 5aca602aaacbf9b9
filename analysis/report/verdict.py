"""The verdict of a study in sentences: what its table allows to say, and what it does not."""

import math
from collections import Counter
from collections.abc import Sequence

from analysis.formats.columns import at_least, signed
from analysis.formats.legend import STOPPED
from analysis.plots.plot import count_range, noun
from analysis.statistics.paired import possible
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL


def sentences(table: Table) -> list[str]:
    """Return the verdict: what is lacking, a count over all panels if there are several, and one line a panel."""
    return [" ".join(paragraph) for paragraph in paragraphs(table)]


def paragraphs(table: Table) -> list[list[str]]:
    """Return the same, sentence by sentence.

    A difference that is not clear is described by what its interval allows, never as `no difference`. Intervals are
    the table's, which hold together, and p-values are adjusted for the whole study.
    """
    states = sum((row.states for row in table.rows), Counter[str]())
    lacking = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    done, wanted = sum(row.n for row in table.rows), sum(row.wanted for row in table.rows)
    if not done:
        return [[f"No run is complete ({lacking}): nothing can be said yet."]]
    lines = []
    if not table.complete:
        behind = f" ({lacking})" if lacking else ""
        lines.append(
            [f"Incomplete: {done} of {wanted} runs are complete{behind}, and what follows holds for these alone."]
        )
    others = [row for row in table.rows if row.label != row.baseline]
    if len(table.baselines) > 1:
        lines.append([f"{_count(others, table)} in {len(table.baselines)} panels: {_resolved_at(others, table)}."])
    lines += [_panel(table, baseline) for baseline in table.baselines]
    return [*lines, [STOPPED]] if table.stopping is not None and any(map(is_resolved, others)) else lines


def is_resolved(row: Row) -> bool:
    """Say whether a row is better or worse than its baseline, be it only so far."""
    return row.verdict.kind in ("better", "worse")


def _is_unclear(row: Row) -> bool:
    """Say whether a row has an interval and yet is not resolved."""
    return bool(row.interval) and row.verdict.kind in ("no clear difference", "open")


def _is_ended(row: Row) -> bool:
    """Say whether a row has an interval and a failed run has ended its stopping rule."""
    return bool(row.interval) and row.verdict.kind == "ended"


def level(table: Table) -> float:
    """Return the chance, over all comparisons and looks, of calling a row different that is not."""
    return LEVEL if table.stopping is None else table.stopping.level


def _count(rows: Sequence[Row], table: Table) -> str:
    return f"{len(rows)} comparison{'s' * (len(rows) > 1)} of {noun(table.metric)}"


def _resolved_at(rows: Sequence[Row], table: Table) -> str:
    """Count the resolved rows, and say at which level, how it is shared, and on how many seeds."""
    shared = f"adjusted for {table.comparisons}" if table.comparisons > 1 else "not adjusted"
    if table.stopping is not None:
        shared = f"stopping rule over {table.comparisons}"
    counts = [row.delta.n for row in rows if row.delta is not None]
    seeds = f", n = {count_range(counts)} paired seeds" if counts else ""
    return f"{sum(map(is_resolved, rows)) or 'none'} resolved at {100 * level(table):g} % ({shared}{seeds})"


def _panel(table: Table, baseline: str) -> list[str]:
    """Describe a panel: the resolved rows, then what the data allow of those that are not, then all others."""
    rows = [row for row in table.rows if row.baseline == baseline != row.label]
    if not next(row for row in table.rows if row.label == baseline).n:
        return [f"The baseline {baseline!r} has no complete run, so nothing can be held against it."]
    if not rows:
        return [f"{baseline!r} stands alone: there is nothing to compare it with."]
    parts = [f"{_count(rows, table)} with {baseline!r}: {_resolved_at(rows, table)}"]
    for row in sorted(filter(is_resolved, rows), key=lambda row: row.verdict.kind):
        assert row.delta is not None
        low, high = sorted(abs(possible(end)) for end in (row.delta.low, row.delta.high))
        p = "" if math.isnan(row.p_adjusted) else f", p {at_least(row.p_adjusted)}"
        within = (
            ""
            if row.verdict.within is None
            else f", within the margin of ±{row.verdict.within:g} {table.metric.points}"
        )
        parts.append(
            f"{row.label!r} is {row.verdict.kind} than {baseline!r}{row.verdict.coverage} by "
            f"{abs(row.delta.mean):.2f} {table.metric.points} ({_interval(table)} {low:.2f} to {high:.2f}{p}){within}"
        )
    if ended := [row for row in rows if _is_ended(row)]:
        parts.append(f"Ended by a failed run before they were resolved: {named(ended)}; {_allowed(ended, table)}")
    if unresolved := [row for row in rows if _is_unclear(row)]:
        parts.append(f"No clear difference: {named(unresolved)}; {_allowed(unresolved, table)}")
        if overturned := [row for row in unresolved if row.verdict.overturned]:
            parts.append(f"Failures alone could overturn what the seeds that trained show: {named(overturned)}")
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        if not is_resolved(row) and not _is_unclear(row) and not _is_ended(row):
            reasons.setdefault(_reason(row, table), []).append(row)
    return [f"{part}." for part in (*parts, *(f"{reason}: {named(group)}" for reason, group in reasons.items()))]


def _interval(table: Table) -> str:
    kind = "repeated " if table.stopping is not None else "simultaneous " if table.comparisons > 1 else ""
    return f"{kind}{100 * (1 - level(table)):g} % interval"


def _allowed(rows: Sequence[Row], table: Table) -> str:
    """Write which of the possible differences the intervals of these rows leave open, and which side is better."""
    deltas = [row.delta for row in rows if row.delta is not None]
    low, high = possible(min(delta.low for delta in deltas)), possible(max(delta.high for delta in deltas))
    side = f"{'above' if table.metric.higher_is_better else 'below'} 0 is better"
    return f"the data allow {signed(low)} to {signed(high)} {table.metric.points} ({_interval(table)}; {side})"


def _reason(row: Row, table: Table) -> str:
    """Say why there is neither a difference nor an interval to report of a row."""
    verdict = row.verdict
    if verdict.kind == "changes nothing":
        return f"No change, the runs computed what {row.baseline!r} did"
    if verdict.kind == "equivalent":
        return f"Equivalent to {row.baseline!r}{verdict.margin} {table.metric.points}{verdict.coverage}"
    if verdict.kind == "open" and row.delta is None:
        return "Before the first look of the stopping rule"
    if verdict.kind == "ended":
        same = (
            "before the first look of the stopping rule"
            if row.delta is None
            else "after the same difference at every seed"
        )
        return f"Ended by a failed run {same}"
    if row.delta is not None and row.delta.n > 1:
        return "The same difference at every seed, no spread to judge by"
    return f"Fewer than 2 seeds paired with {row.baseline!r}, too few for an interval"


def named(rows: Sequence[Row]) -> str:
    """Name rows: `'a', 'b' and 'c'`."""
    *first, last = [repr(row.label) for row in rows]
    return f"{', '.join(first)} and {last}" if first else last
