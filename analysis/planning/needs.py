"""What it would take to close the rows of a table that are open: seeds, device-hours, and which fit a budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from analysis.environment import device_seconds
from analysis.statistics.power import seeds_for_equivalence, seeds_needed
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Need:
    """What closes one open row: of `n` paired seeds so far, how many more, and at what cost.

    `to_differ` are more seeds until a true difference as large as the margin is resolved with 80 % power, `to_equal`
    until a true difference of 0 is found equivalent within it; None for out of reach, or without a margin. `as_seen`
    are more seeds until the difference seen is resolved, should it be the true one: a guess, which a row without any
    effect has as well. Where seeds follow a stopping rule there is `to_look` alone: more seeds until its next look.

    `hours` are the device-hours of `seeds`, without the baseline's share, `affordable` is whether they fit the budget,
    cheapest rows first; None where no run tells its length.
    """

    row: str
    n: int
    to_look: int | None = None
    to_differ: int | None = None
    to_equal: int | None = None
    as_seen: int | None = None
    hours: float | None = None
    affordable: bool | None = None

    @property
    def seeds(self) -> int | None:
        """More seeds to plan for: until the next look, else enough for either answer; None where nothing is planned."""
        if self.to_look is not None:
            return self.to_look
        return None if self.to_differ is None or self.to_equal is None else max(self.to_differ, self.to_equal)


def needs(table: Table, records: Sequence[Record], budget: float | None = None) -> list[Need]:
    """Return what each open row needs; a `budget` in device-hours goes to the cheapest first, with baselines once."""
    hours = hours_a_run(records)
    rows = [_need(row, table, hours) for row in table.rows if is_open(row)]
    if budget is None:
        return rows
    affordable, _ = _afford(rows, table, hours, budget)
    return [replace(need, affordable=affordable[need.row]) for need in rows]


def is_open(row: Row) -> bool:
    """Say whether more seeds could still resolve a row, and its figures, or its rule, tell how many.

    Figures that failures could overturn do not: their spread is that of the seeds that trained.
    """
    if row.interim is not None:
        return row.verdict.kind == "open"
    told = row.delta is not None and row.delta.sd > 0 and not row.verdict.overturned
    return told and row.verdict.kind == "no clear difference"


def hours_a_run(records: Sequence[Record]) -> dict[str, float]:
    """Return row -> mean device-hours of one of its finished runs, for rows of which they are known."""
    hours: dict[str, list[float]] = {}
    for record in records:
        if (seconds := device_seconds(record)) is not None:
            hours.setdefault(record.row, []).append(seconds / 3600)
    return {row: fmean(each) for row, each in hours.items()}


def _need(row: Row, table: Table, hours: Mapping[str, float]) -> Need:
    n = row.delta.n if row.delta else 0
    need = Need(row=row.label, n=n)
    if row.interim is not None:
        need = replace(need, to_look=row.interim.wanted - n)
    elif row.delta is not None:
        sd, count = row.delta.sd, table.comparisons

        def more(total: int | None) -> int | None:
            return None if total is None else max(total - n, 0)

        need = replace(need, as_seen=more(seeds_needed(row.delta.mean, sd, comparisons=count)))
        if table.margin is not None:
            need = replace(
                need,
                to_differ=more(seeds_needed(table.margin, sd, comparisons=count)),
                to_equal=more(seeds_for_equivalence(table.margin, 0.0, sd, level=LEVEL / count)),
            )
    cost = None if need.seeds is None or row.label not in hours else need.seeds * hours[row.label]
    return replace(need, hours=cost)


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
