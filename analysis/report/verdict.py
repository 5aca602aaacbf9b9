"""The verdict of a study in sentences: what its table allows to say, and what it does not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from analysis.formats.columns import signed
from analysis.formats.legend import STOPPED
from analysis.statistics.paired import possible
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL

LISTED = 4
"""Up to so many rows are named in a sentence; more are counted."""


def sentences(table: Table) -> list[str]:
    """Return the verdict, one sentence or a few a panel.

    What is lacking is said first. A difference that is not resolved is told by what its interval allows, never as
    `no difference`. Intervals are the table's (95 %, each by itself), p-values are adjusted for the whole study.
    Of a difference that a stopping rule ended with, it is told that it is too large on average.

    """
    states = sum((row.states for row in table.rows), Counter[str]())
    lacking = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    done, wanted = sum(row.n for row in table.rows), sum(row.wanted for row in table.rows)
    if not done:
        return [f"No run is complete ({lacking}): nothing can be said yet."]
    told = []
    if not table.complete:
        behind = f" ({lacking})" if lacking else ""
        told.append(
            f"Incomplete: {done} of {wanted} runs are complete{behind}, and what follows holds for these alone."
        )
    panels = [[row for row in table.rows if row.baseline == baseline] for baseline in table.baselines]
    if len(panels) > 1:
        told.append(_overall(table, len(panels)))
    told += [_panel(table, rows, alone=len(panels) == 1) for rows in panels]
    return [*told, STOPPED] if table.stopping is not None and any(map(is_resolved, table.rows)) else told


def is_resolved(row: Row) -> bool:
    """Say whether a row is better or worse than its baseline, be it only so far."""
    return row.verdict.kind in ("better", "worse")


def is_open(row: Row) -> bool:
    """Say whether a row has an interval and yet is not resolved."""
    return row.delta is not None and not math.isnan(row.delta.low) and row.verdict.kind in ("not resolved", "open")


def _overall(table: Table, panels: int) -> str:
    others = [row for row in table.rows if row.label != row.baseline]
    found = sum(map(is_resolved, others))
    head = f"Of {len(others)} comparisons in {panels} panels {found or 'none'} {'is' if found < 2 else 'are'} resolved"
    return f"{head} at {100 * level(table):g} % ({family(table)})."


def _panel(table: Table, rows: Sequence[Row], *, alone: bool) -> str:
    others = [row for row in rows if row.label != row.baseline]
    baseline = rows[0].baseline
    if not next(row for row in rows if row.label == baseline).n:
        return f"The baseline {baseline!r} has no complete run, so nothing can be held against it."
    if not others:
        return f"{baseline!r} stands alone: there is nothing to compare it with."
    found, left = [r for r in others if is_resolved(r)], [r for r in others if is_open(r)]
    how = ", ".join(part for part in (family(table) if alone else "", _seeds(others)) if part)
    odd = _odd(others, baseline)
    if len(others) == 1 and not odd:
        return (better(found[0], table, how) if found else _unresolved(left[0], table, how)) + "."
    parts = [_resolved(found, table)] if found else []
    if left:
        subject = "" if len(left) == len(others) else f"For {named(left)}, not resolved, "
        parts.append(f"{subject}the data allow {allowed(left, table, short=bool(found))}")
        parts += _adjusted(left)
    if len(others) == 1:
        return f"{odd[0]}."
    how = f" at {100 * level(table):g} % ({how})" if how else ""
    all_found = f"All {len(others)} comparisons with {baseline!r} are resolved{how}"
    count = f"{len(found) or 'none'} {'is' if len(found) < 2 else 'are'} resolved"
    head = all_found if len(found) == len(others) else f"Of {len(others)} comparisons with {baseline!r} {count}{how}"
    colon = ": " if found or len(left) == len(others) else ". "
    return f"{head}{colon}{'. '.join([*parts, *odd])}."


def _seeds(rows: Sequence[Row]) -> str:
    counts = sorted({row.delta.n for row in rows if row.delta is not None})
    if not counts:
        return ""
    if len(counts) > 1:
        return f"n = {counts[0]} to {counts[-1]} paired seeds"
    return f"n = {counts[0]} seed{'s' * (counts[0] > 1)}{' a row' * (len(rows) > 1)}"


def _resolved(rows: Sequence[Row], table: Table) -> str:
    """Tell the rows that differ; of many, those that differ most and least, either way."""
    if len(rows) <= LISTED:
        first, *others = rows
        return "; ".join([better(first, table), *(better(row, table, short=True) for row in others)])
    told: list[str] = []
    for word in ("better", "worse"):
        some = [row for row in rows if row.verdict.kind == word]
        some.sort(key=lambda row: abs(row.delta.mean) if row.delta else math.nan)
        if len(some) > 1:
            most, least = size(some[-1], table, short=bool(told)), size(some[0], table, short=True)
            ends = f"{some[-1].label!r} most, by {most}, and {some[0].label!r} least, by {least}"
            told.append(f"{len(some)} rows are {word} than {some[0].baseline!r}, {ends}")
        elif some:
            told.append(better(some[0], table, short=bool(told)))
    return "; ".join(told)


def _unresolved(row: Row, table: Table, how: str) -> str:
    p = chance(row)
    p += " after Holm" if p and table.comparisons > 1 and "Holm" not in how else ""
    facts = ", ".join(filter(None, (p, how)))
    head = f"{row.label!r} is not resolved against {row.baseline!r} at {100 * level(table):g} % ({facts})"
    return f"{head}: the data allow {allowed([row], table, short=False)}"


def _adjusted(rows: Sequence[Row]) -> list[str]:
    """Say why rows whose own interval leaves out 0 are not resolved: that interval knows of no other comparison."""
    some = [row for row in rows if row.delta is not None and row.delta.low * row.delta.high > 0]
    if not some:
        return []
    least = min(row.p_holm for row in some)
    if len(some) == 1:
        return [f"The interval of {named(some)} by itself leaves out 0, but p = {least:.3f} once adjusted"]
    return [f"The intervals of {named(some)} by themselves leave out 0, but p is {least:.3f} or more once adjusted"]


def _odd(rows: Sequence[Row], baseline: str) -> list[str]:
    """Tell the rows of which neither a verdict nor an interval is known."""
    told = []
    left = [row for row in rows if not (is_resolved(row) or is_open(row))]
    if same := [row for row in left if row.verdict.kind == "changes nothing"]:
        told.append(f"{named(same)} change{'s' * (len(same) == 1)} nothing: the runs computed what {baseline!r} did")
    for verdict in dict.fromkeys(row.verdict for row in left if row.verdict.kind == "equivalent"):
        alike = [row for row in left if row.verdict == verdict]
        said = f"equivalent to {baseline!r}{verdict.margin} points{verdict.coverage}"
        told.append(f"{named(alike)} {'is' if len(alike) == 1 else 'are'} {said}")
    if waiting := [row for row in left if row.verdict.kind == "open"]:
        told.append(f"{named(waiting)} wait{'s' * (len(waiting) == 1)} for the first look of the stopping rule")
    left = [row for row in left if row.verdict.kind not in ("changes nothing", "equivalent", "open")]
    flat = [row for row in left if row.delta is not None and row.delta.n > 1]
    if flat:
        told.append(f"{named(flat)} differ{'s' * (len(flat) == 1)} by the same at every seed: no spread to judge by")
    if few := [row for row in left if row not in flat]:
        have = "has" if len(few) == 1 else "have"
        told.append(f"{named(few)} {have} fewer than 2 seeds paired with {baseline!r}, too few for an interval")
    return told


def named(rows: Sequence[Row]) -> str:
    """Name up to `LISTED` rows, count more: `'a', 'b' and 'c'`, `7 rows`."""
    if len(rows) > LISTED:
        return f"{len(rows)} rows"
    *first, last = [repr(row.label) for row in rows]
    return f"{', '.join(first)} and {last}" if first else last


def unit(table: Table) -> str:
    """Return what a difference is measured in, as `points of top-1 error`."""
    return f"points of {table.metric.label.removesuffix(' (%)')}"


def level(table: Table) -> float:
    """Return the chance, over all comparisons and looks, of calling a row different that is not."""
    return LEVEL if table.stopping is None else table.stopping.level


def family(table: Table) -> str:
    """Say how the level is shared: `Holm over 3`, `a single comparison`, or by the rule that gives the seeds."""
    count = table.comparisons
    if table.stopping is not None:
        return f"stopping rule over {count} comparison{'s' * (count > 1)}"
    return f"Holm over {count}" if count > 1 else "a single comparison"


def interval(table: Table, *, many: bool = False) -> str:
    """Name the intervals of the table; those of a stopping rule hold over all its looks and rows."""
    return f"{'repeated ' * (table.stopping is not None)}{100 * (1 - level(table)):g} % interval{'s' * many}"


def chance(row: Row) -> str:
    """Write the adjusted p of a row; empty where there is none, as by a stopping rule."""
    if math.isnan(row.p_holm):
        return ""
    return "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"


def size(row: Row, table: Table, how: str = "", *, short: bool) -> str:
    """Write by how much a row is better or worse, without a sign, with its interval, p, and `how` they were had."""
    assert row.delta is not None
    low, high = sorted(abs(possible(end)) for end in (row.delta.low, row.delta.high))
    points = "points" if short else unit(table)
    facts = [f"{interval(table)} {low:.2f} to {high:.2f}", chance(row), how]
    return f"{abs(row.delta.mean):.2f} {points} ({', '.join(filter(None, facts))})"


def better(row: Row, table: Table, how: str = "", *, short: bool = False) -> str:
    """Say that a row is better or worse than its baseline, and by how much; also that this is too little to matter."""
    verdict = row.verdict
    told = f"{row.label!r} is {verdict.kind} than {row.baseline!r}{verdict.coverage} by "
    return (
        told
        + size(row, table, how, short=short)
        + ("" if verdict.within is None else f", within the margin of ±{verdict.within:g} points")
    )


def allowed(rows: Sequence[Row], table: Table, *, short: bool) -> str:
    """Write which of the possible differences the intervals of these rows leave open, and which side is better."""
    deltas = [row.delta for row in rows if row.delta is not None]
    low, high = possible(min(delta.low for delta in deltas)), possible(max(delta.high for delta in deltas))
    what = "a difference" if len(rows) == 1 else "differences"
    points = "points" if short else unit(table)
    name = interval(table, many=len(rows) > 1) + ", not adjusted" * (table.stopping is None and table.comparisons > 1)
    side = f"{'above' if table.metric.higher_is_better else 'below'} 0 is better"
    return f"{what} between {signed(low)} and {signed(high)} {points} ({name}; {side})"
