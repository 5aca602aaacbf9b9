"""What it would take to close the rows of a table that are open: seeds, device-hours, and which fit a budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from analysis.environment import device_seconds
from analysis.statistics.power import MoreSeeds, more_seeds
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Need:
    """What closes one open row: of `n` paired seeds so far, how many more, and at what cost.

    `to_differ` are more seeds until the next look of a stopping rule, else until the difference so far would be
    resolved with 80 % power, should it and its spread persist, `to_equal` until it would be equivalent within the
    margin; None for out of reach. `hours` are the device-hours of the lesser of the two, without the baseline's share,
    `affordable` is whether they fit the budget, cheapest rows first; None where no run tells its length.
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
        return MoreSeeds(self.to_differ, self.to_equal).least


def needs(table: Table, records: Sequence[Record], budget: float | None = None) -> list[Need]:
    """Return what each open row needs; a `budget` in device-hours goes to the cheapest first, with baselines once."""
    hours = hours_a_run(records)
    rows = [_need(row, table, hours) for row in table.rows if is_open(row)]
    if budget is None:
        return rows
    affordable, _ = _afford(rows, table, hours, budget)
    return [replace(need, affordable=affordable[need.row]) for need in rows]


def is_open(row: Row) -> bool:
    """Say whether more seeds could still resolve a row, and its figures, or its rule, tell how many."""
    if row.interim is not None:
        return row.interim.outcome == "open" and row.verdict.kind == "open"
    return row.verdict.kind in ("not resolved", "open") and row.delta is not None and row.delta.sd > 0


def hours_a_run(records: Sequence[Record]) -> dict[str, float]:
    """Return row -> mean device-hours of one of its finished runs, for rows of which they are known."""
    hours: dict[str, list[float]] = {}
    for record in records:
        if (seconds := device_seconds(record)) is not None:
            hours.setdefault(record.row, []).append(seconds / 3600)
    return {row: fmean(each) for row, each in hours.items()}


def _need(row: Row, table: Table, hours: Mapping[str, float]) -> Need:
    n = row.delta.n if row.delta else 0
    more = MoreSeeds(None, None)
    if row.interim is not None:
        more = MoreSeeds(row.interim.wanted - n, None)
    elif row.delta is not None:
        more = more_seeds(row.delta, level=LEVEL, comparisons=table.comparisons, margin=table.margin)
    cost = None if more.least is None or row.label not in hours else more.least * hours[row.label]
    return Need(row=row.label, n=n, to_differ=more.to_differ, to_equal=more.to_equal, hours=cost)


def _afford(
    rows: Sequence[Need], table: Table, hours: Mapping[str, float], budget: float
) -> tuple[dict[str, bool | None], float]:
    """Return which rows fit a budget, cheapest first, and what they cost; a baseline gets its seeds once."""
    baselines = {row.label: row.baseline for row in table.rows}
    affordable: dict[str, bool | None] = {}
    total, baseline_seeds = 0.0, dict.fromkeys(baselines.values(), 0)
    for need in sorted(rows, key=lambda need: math.inf if need.hours is None else need.hours):
        baseline = baselines[need.row]
        if need.seeds is None or need.hours is None or baseline not in hours:
            affordable[need.row] = False if need.seeds is None else None
            continue
        price = need.hours + max(need.seeds - baseline_seeds[baseline], 0) * hours[baseline]
        affordable[need.row] = total + price <= budget
        if affordable[need.row]:
            total += price
            baseline_seeds[baseline] = max(baseline_seeds[baseline], need.seeds)
    return affordable, total


def total_hours(rows: Sequence[Need], table: Table, records: Sequence[Record]) -> float | None:
    """Return the device-hours of closing every row that can be, with baselines; None for no such row, or no hours."""
    closable = [need for need in rows if need.seeds is not None]
    affordable, total = _afford(closable, table, hours_a_run(records), math.inf)
    return total if closable and all(affordable.values()) else None
