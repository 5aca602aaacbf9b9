"""How rows, differences and intervals are worded in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.formats.columns import signed
from analysis.statistics.paired import possible
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL

LISTED = 4
"""Up to so many rows are named in a sentence; more are counted."""


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
    said, within, margin = row.verdict.partition(" within ±")
    margin, space, seeds = margin.partition(" ")
    said += space + seeds
    word = "better" if said.startswith("better") else "worse"
    told = f"{row.label!r} is {said.replace(word, f'{word} than {row.baseline!r}', 1)} by "
    return told + size(row, table, how, short=short) + (f", within the margin of ±{margin} points" if within else "")


def allowed(rows: Sequence[Row], table: Table, *, short: bool) -> str:
    """Write which of the possible differences the intervals of these rows leave open, and which side is better."""
    deltas = [row.delta for row in rows if row.delta is not None]
    low, high = possible(min(delta.low for delta in deltas)), possible(max(delta.high for delta in deltas))
    what = "a difference" if len(rows) == 1 else "differences"
    points = "points" if short else unit(table)
    name = interval(table, many=len(rows) > 1) + ", not adjusted" * (table.stopping is None and table.comparisons > 1)
    side = f"{'above' if table.metric.higher_is_better else 'below'} 0 is better"
    return f"{what} between {signed(low)} and {signed(high)} {points} ({name}; {side})"
