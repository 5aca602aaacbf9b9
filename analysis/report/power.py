"""What a study's seeds could have resolved, what is open, and what closing it would cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from analysis.formats.columns import Column, signed
from analysis.planning.needs import needs
from analysis.report.provenance import hours_told
from analysis.report.verdict import is_resolved, level, unit
from analysis.statistics.paired import MOST, possible
from analysis.statistics.power import MOST_SEEDS, least_resolvable
from analysis.table.build import Table
from studies.records.records import Record

REACH = MOST_SEEDS
"""Seeds beyond which `seeds_needed` says that a difference is out of reach."""


@dataclass(frozen=True, kw_only=True)
class Power:
    """One comparison.

    Attributes:
        row: the row, compared with the baseline of its panel.
        n: paired seeds.
        sd: standard deviation of the paired differences, in percentage points; NaN where unknown.
        least: the least difference (percentage points) that n seeds resolve with 80 % power; NaN where unknown.
        low: lower end of the 95 % interval of the difference; NaN where unknown.
        high: its upper end.
        stands: `resolved`, `open`, or why there is nothing to say.
        more: seeds to add where it is open, should difference and spread persist: until it is resolved or, if the study
            has a margin and that takes fewer, equivalent; None beyond `REACH` in all.
        hours: device-hours of those seeds in this row alone; None where unknown.

    """

    row: str
    n: int
    sd: float
    least: float
    low: float
    high: float
    stands: str
    more: int | None
    hours: float | None


def powers(table: Table, records: Sequence[Record]) -> list[Power]:
    """Return each comparison of the table, at the level that it has there.

    The study's level is shared by all its comparisons. Where seeds follow a stopping rule, it is the one of the row's
    last look that counts, and the seeds to add are those of its next.
    """
    needed = {need.row: need for need in needs(table, records)}
    found = []
    for row in table.rows:
        if row.label == row.baseline:
            continue
        n = row.delta.n if row.delta else 0
        sd = row.delta.sd if row.delta and row.delta.sd > 0 else math.nan
        size = level(table) / table.comparisons
        if row.interim is not None and row.interim.limit is not None:
            size = row.interim.limit
        need = needed.get(row.label)
        found.append(
            Power(
                row=row.label,
                n=n,
                sd=sd,
                least=least_resolvable(sd, n, level=size),
                low=row.delta.low if row.delta else math.nan,
                high=row.delta.high if row.delta else math.nan,
                stands="resolved" if is_resolved(row) else "open" if need else str(row.verdict),
                more=need.seeds if need else None,
                hours=need.hours if need else None,
            )
        )
    return found


def lead(table: Table, found: Sequence[Power], hours: float | None) -> list[str]:
    """Say what the seeds so far could have told, what is open, and what closing it would take, `total_hours`."""
    test = f"paired t-test at {100 * level(table):g} %"
    test += f", shared by {table.comparisons} comparisons" if table.comparisons > 1 else ""
    if table.stopping is not None:
        test = "paired t-test at the limit of the row's last look"
    known = sorted(one.least for one in found if not math.isnan(one.least))
    if not known:
        return [
            "No row has a spread over two or more seeds paired with its baseline: what could be resolved is unknown."
        ]
    told = [
        f"With the spread seen, the seeds so far resolve {_resolvable(known, unit(table))}: {test}. "
        "A smaller one may well be there and go unseen: not resolved does not mean equal."
    ]
    left = [one for one in found if one.stands == "open"]
    if not left:
        return told
    cost = f", at about {hours_told(hours)} device-hours in all, baselines included" if hours is not None else ""
    if table.stopping is None:
        return [*told, *_open(table, left, len(found), cost)]
    seeds = "the stopping rule wants the seeds of the next look"
    return [*told, f"{len(left)} of {len(found)} comparisons are open: {seeds}{cost}."]


def _resolvable(known: Sequence[float], points: str) -> str:
    """Say which differences can be seen, from the least of each row, in rising order; none where it is impossible."""
    within = [least for least in known if least <= MOST]
    if not within:
        return f"no true difference with 80 % power (none can be more than {MOST:g} {points})"
    least = f"{within[0]:.2f}" + (f" to {within[-1]:.2f}" if len(within) > 1 else "")
    by_row = f", depending on the row (median {median(within):.2f})" if len(within) > 1 else ""
    beyond = len(known) - len(within)
    by_row += f", and none in {beyond} other row{'s' * (beyond > 1)}" if beyond else ""
    return f"a true difference with 80 % power if it is at least {least} {points}{by_row}"


def _open(table: Table, left: Sequence[Power], comparisons: int, cost: str) -> list[str]:
    head = f"{len(left)} of {comparisons} comparison{'s' * (comparisons > 1)} {'is' if len(left) == 1 else 'are'} open."
    more = sorted(one.more for one in left if one.more is not None)
    within = f"within ±{table.margin:g} points" if table.margin is not None else ""
    if not more:
        too_large = f" and too large to be called equivalent {within}" if within else ""
        return [f"{head} The differences seen so far are too small for {REACH} seeds to resolve them{too_large}."]
    span = f"{more[0]}" if more[0] == more[-1] else f"{more[0]} to {more[-1]}"
    beyond = len(left) - len(more)
    seeds = f"{span} more seed{'s' * (more[-1] > 1)}"
    which = f"{len(more)} of them" if beyond else "it" if len(more) == 1 else "each"
    closed = (
        f"close {which} (resolved, or equivalent {within}, whichever takes fewer)" if within else f"resolve {which}"
    )
    text = f"{head} Should the differences and spreads seen so far persist, {seeds} would {closed}{cost}"
    text += f"; {beyond} would need more than {REACH}." if beyond else "."
    return [text, "Seeds added because of a look at these figures make p too small: confirm with fresh ones."]


def columns(found: Sequence[Power]) -> list[Column]:
    """Return the comparisons as columns to print."""
    least = [f">{MOST:g}" if one.least > MOST else _figure(one.least) for one in found]
    hours = ["" if one.hours is None else hours_told(one.hours) for one in found]
    return [
        Column(heading="row", kind="label", cells=[one.row for one in found]),
        Column(heading="paired seeds", kind="number", cells=[str(one.n) for one in found]),
        Column(heading="sd of Δ", kind="number", cells=[_figure(one.sd) for one in found]),
        Column(heading="could resolve", kind="number", cells=least),
        Column(heading="Δ allowed (95 %)", kind="number", cells=[_allowed(one) for one in found]),
        Column(heading="stands", kind="verdict", cells=[one.stands for one in found]),
        Column(heading="seeds to add", kind="number", cells=[_to_add(one) for one in found]),
        Column(heading="device-hours", kind="number", cells=hours),
    ]


def _allowed(one: Power) -> str:
    return "—" if math.isnan(one.low) else f"{signed(possible(one.low))} to {signed(possible(one.high))}"


def _to_add(one: Power) -> str:
    if one.stands != "open":
        return ""
    return f">{REACH - one.n}" if one.more is None else str(one.more)


def _figure(value: float) -> str:
    return "—" if math.isnan(value) else f"{value:.2f}"
