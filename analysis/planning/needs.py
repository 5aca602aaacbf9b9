"""What it would take to close the rows of a table that are open: seeds, device-hours, and which fit a budget."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from analysis.environment import device_seconds
from analysis.statistics.power import Closing, closing, lesser
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Need:
    """What closes one open row.

    Attributes:
        row: its label.
        n: paired seeds that it has.
        to_differ: more seeds until the next look, where seeds follow a stopping rule; else until the difference seen so
            far would be resolved with 80 % power, should it and its spread persist; None for out of reach.
        to_equal: more seeds until it would be found equivalent within the margin with 80 % power, should the same
            difference and spread persist; None without a margin, under a rule, whose next look tries both, and for out
            of reach, as a difference that is not within the margin is.
        hours: device-hours of the lesser of the two, without the baseline's share; None where no run tells its length.
        affordable: whether it fits the budget, cheapest rows first, the baseline's seeds counted once; None where
            what it costs is not known.

    """

    row: str
    n: int
    to_differ: int | None
    to_equal: int | None
    hours: float | None = None
    affordable: bool | None = None

    @property
    def seeds(self) -> int | None:
        """The lesser of the two."""
        return lesser(Closing(self.to_differ, self.to_equal))


def needs(table: Table, records: Sequence[Record], budget: float | None = None) -> list[Need]:
    """Return what each open row needs, in the table's order.

    Args:
        table: whose rows; those that are resolved, or have no two pairs to go by, are left out.
        records: the study's runs, for how long they took.
        budget: device-hours.

    """
    pace = hours_a_run(records)
    found = {row.label: _need(row, table, pace) for row in table.rows if is_open(row)}
    home = {row.label: row.baseline for row in table.rows}
    return list(_afforded(found, home, pace, budget).values())


def is_open(row: Row) -> bool:
    """Say whether more seeds could still resolve a row, and its figures, or its rule, tell how many."""
    if row.interim is not None:
        return row.interim.outcome == "open" and row.verdict.kind == "open"
    return row.verdict.kind in ("not resolved", "open") and row.delta is not None and row.delta.sd > 0


def hours_a_run(records: Sequence[Record]) -> dict[str, float]:
    """Return row -> mean device-hours of one of its finished runs, for rows of which they are known."""
    taken: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if (seconds := device_seconds(record)) is not None:
            taken[record.row].append(seconds / 3600)
    return {row: fmean(hours) for row, hours in taken.items()}


def _need(row: Row, table: Table, pace: Mapping[str, float]) -> Need:
    n = row.delta.n if row.delta else 0
    found = Closing(None, None)
    if row.interim is not None:
        found = Closing(row.interim.wanted - n, None)
    elif row.delta is not None:
        found = closing(row.delta, level=LEVEL, comparisons=table.comparisons, margin=table.margin)
    need = Need(row=row.label, n=n, to_differ=found.to_differ, to_equal=found.to_equal)
    hours = None if need.seeds is None or row.label not in pace else need.seeds * pace[row.label]
    return replace(need, hours=hours)


def _afforded(
    found: Mapping[str, Need], home: Mapping[str, str], pace: Mapping[str, float], budget: float | None
) -> dict[str, Need]:
    """Say of each row whether it fits the budget, cheapest first; a baseline gets as many seeds as any row of it."""
    if budget is None:
        return dict(found)
    result = dict(found)
    spent, given = 0.0, dict.fromkeys(set(home.values()), 0)
    for need in sorted(found.values(), key=lambda need: math.inf if need.hours is None else need.hours):
        seeds, baseline = need.seeds, home[need.row]
        if need.hours is None or seeds is None or baseline not in pace:
            result[need.row] = replace(need, affordable=None if seeds is not None else False)
            continue
        price = need.hours + max(seeds - given[baseline], 0) * pace[baseline]
        fits = spent + price <= budget
        result[need.row] = replace(need, affordable=fits)
        if fits:
            spent += price
            given[baseline] = max(given[baseline], seeds)
    return result


def total_hours(found: Sequence[Need], table: Table, records: Sequence[Record]) -> float | None:
    """Return the device-hours of closing every row that can be closed, those of the baselines included.

    A baseline is trained once a seed, whatever the number of rows that are paired with it. None where there is nothing
    to close, or the hours of a run are not known.
    """
    pace = hours_a_run(records)
    home = {row.label: row.baseline for row in table.rows}
    closable = [need for need in found if need.seeds is not None]
    most: dict[str, int] = defaultdict(int)
    for need in closable:
        most[home[need.row]] = max(most[home[need.row]], need.seeds or 0)
    if not closable or any(need.hours is None for need in closable) or not most.keys() <= pace.keys():
        return None
    return sum(need.hours or 0.0 for need in closable) + sum(n * pace[row] for row, n in most.items())
