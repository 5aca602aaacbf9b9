"""The verdict of a study in sentences: what its table allows to say, and what it does not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from analysis.formats.columns import signed
from analysis.row import Row
from analysis.table import Table

LISTED = 4
"""Up to so many rows are named in a sentence; of more, the two at the ends."""


def sentences(table: Table) -> list[str]:
    """Return the verdict, one sentence or a few a panel.

    What is lacking is said first. A difference that is not resolved is told by what its interval allows, never as
    `no difference`. Intervals are the table's (95 %, each by itself), p-values are adjusted for the whole study.

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
    return told + [_panel(table, rows, alone=len(panels) == 1) for rows in panels]


def is_resolved(row: Row) -> bool:
    """Say whether a row is better or worse than its baseline, be it only so far."""
    return row.verdict.startswith(("better", "worse"))


def is_open(row: Row) -> bool:
    """Say whether a row has an interval and yet is not resolved."""
    return row.delta is not None and not math.isnan(row.delta.low) and row.verdict.startswith("not resolved")


def unit(table: Table) -> str:
    """Return what a difference is measured in, as `points of top-1 error`."""
    return f"points of {table.metric.label.removesuffix(' (%)')}"


def better_side(table: Table) -> str:
    """Return the side of zero on which a row is better than its baseline."""
    return "above" if table.metric.higher_is_better else "below"


def named(rows: Sequence[Row]) -> str:
    """Name up to `LISTED` rows, count more: `'a', 'b' and 'c'`, `7 rows`."""
    if len(rows) > LISTED:
        return f"{len(rows)} rows"
    *first, last = [repr(row.label) for row in rows]
    return f"{', '.join(first)} and {last}" if first else last


def _overall(table: Table, panels: int) -> str:
    others = [row for row in table.rows if row.label != row.baseline]
    found = sum(map(is_resolved, others))
    head = f"Of {len(others)} comparisons in {panels} panels {found or 'none'} {'is' if found < 2 else 'are'} resolved"
    return f"{head} at 5 % ({_family(table)})."


def _family(table: Table) -> str:
    return f"Holm over {table.comparisons}" if table.comparisons > 1 else "a single comparison"


def _panel(table: Table, rows: Sequence[Row], *, alone: bool) -> str:
    others = [row for row in rows if row.label != row.baseline]
    baseline = rows[0].baseline
    if not next(row for row in rows if row.label == baseline).n:
        return f"The baseline {baseline!r} has no complete run, so nothing can be held against it."
    if not others:
        return f"{baseline!r} stands alone: there is nothing to compare it with."
    found, left = [r for r in others if is_resolved(r)], [r for r in others if is_open(r)]
    how = ", ".join(part for part in (_family(table) if alone else "", _seeds(others)) if part)
    odd = _odd(others, baseline)
    if len(others) == 1 and not odd:
        return (_better(found[0], table, how) if found else _unresolved(left[0], table, how)) + "."
    parts = [_resolved(found, table)] if found else []
    if left:
        subject = "" if len(left) == len(others) else f"For {named(left)}, not resolved, "
        parts.append(f"{subject}the data allow {_allowed(left, table, first=not found)}")
        parts += _adjusted(left)
    if len(others) == 1:
        return f"{odd[0]}."
    how = f" at 5 % ({how})" if how else ""
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
        return "; ".join([_better(first, table), *(_better(row, table, short=True) for row in others)])
    told: list[str] = []
    for word in ("better", "worse"):
        some = sorted((r for r in rows if r.verdict.startswith(word)), key=_distance)
        if len(some) > 1:
            most, least = _size(some[-1], table, short=bool(told)), _size(some[0], table, short=True)
            ends = f"{some[-1].label!r} most, by {most}, and {some[0].label!r} least, by {least}"
            told.append(f"{len(some)} rows are {word} than {some[0].baseline!r}, {ends}")
        elif some:
            told.append(_better(some[0], table, short=bool(told)))
    return "; ".join(told)


def _better(row: Row, table: Table, how: str = "", *, short: bool = False) -> str:
    word = "better" if row.verdict.startswith("better") else "worse"
    said = row.verdict.replace(word, f"{word} than {row.baseline!r}", 1)
    return f"{row.label!r} is {said} by {_size(row, table, how, short=short)}"


def _size(row: Row, table: Table, how: str = "", *, short: bool) -> str:
    """Write by how much a row is better or worse, without a sign, with its interval, p, and `how` they were had."""
    assert row.delta is not None
    low, high = sorted((abs(row.delta.low), abs(row.delta.high)))
    facts = [f"95 % interval {low:.2f} to {high:.2f}", _p(row), how]
    points = "points" if short else unit(table)
    return f"{abs(row.delta.mean):.2f} {points} ({', '.join(filter(None, facts))})"


def _p(row: Row) -> str:
    return "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"


def _distance(row: Row) -> float:
    return abs(row.delta.mean) if row.delta else math.nan


def _unresolved(row: Row, table: Table, how: str) -> str:
    p = _p(row) + " after Holm" * (table.comparisons > 1 and "Holm" not in how)
    head = f"{row.label!r} is not resolved against {row.baseline!r} at 5 % ({p}, {how})"
    return f"{head}: the data allow {_allowed([row], table, first=True)}"


def _allowed(rows: Sequence[Row], table: Table, *, first: bool) -> str:
    deltas = [row.delta for row in rows if row.delta is not None]
    low, high = min(delta.low for delta in deltas), max(delta.high for delta in deltas)
    what, interval = ("a difference", "interval") if len(rows) == 1 else ("differences", "intervals")
    points = unit(table) if first else "points"
    interval += ", not adjusted" * (table.comparisons > 1)
    side = f"{better_side(table)} 0 is better"
    return f"{what} between {signed(low)} and {signed(high)} {points} (95 % {interval}; {side})"


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
    same = [row for row in rows if row.verdict == "changes nothing"]
    if same:
        many = len(same) > 1
        told.append(f"{named(same)} change{'s' * (not many)} nothing: the runs computed what {baseline!r} did")
    left = [row for row in rows if not (is_resolved(row) or is_open(row) or row in same)]
    other = [row for row in left if not row.verdict.startswith(("not resolved", "not run"))]
    told += [f"{row.label!r} against {baseline!r}: {row.verdict}" for row in other]
    left = [row for row in left if row not in other]
    flat = [row for row in left if row.delta is not None and row.delta.n > 1]
    if flat:
        told.append(f"{named(flat)} differ{'s' * (len(flat) == 1)} by the same at every seed: no spread to judge by")
    if few := [row for row in left if row not in flat]:
        have = "has" if len(few) == 1 else "have"
        told.append(f"{named(few)} {have} fewer than 2 seeds paired with {baseline!r}, too few for an interval")
    return told
