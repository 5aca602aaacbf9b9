"""What a study's seeds could have resolved, what is open, and what closing it would cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from analysis.formats.columns import Column
from analysis.planning.needs import Need, needs
from analysis.planning.resolvable import least_of
from analysis.plots.plot import noun
from analysis.report.provenance import hours_text
from analysis.report.verdict import is_resolved, level
from analysis.statistics.paired import MOST
from analysis.statistics.power import MOST_SEEDS
from analysis.table.build import Table
from analysis.table.model import Row
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Power:
    """A row, compared with its baseline, and what closes it if it is open.

    `least` is the least difference (percentage points) that its seeds resolve with 80 % power; NaN where unknown.
    """

    row: Row
    least: float
    need: Need | None

    @property
    def state(self) -> str:
        """`resolved`, `open`, or why there is nothing to say."""
        return "resolved" if is_resolved(self.row) else "open" if self.need else str(self.row.verdict)


def powers(table: Table, records: Sequence[Record]) -> list[Power]:
    """Return each comparison of the table, at the level that it has there.

    Where seeds follow a stopping rule, the seeds to add are those until the row's next look.
    """
    by_row = {need.row: need for need in needs(table, records)}
    return [
        Power(row=row, least=least_of(row, table), need=by_row.get(row.label))
        for row in table.rows
        if row.label != row.baseline
    ]


def lead(table: Table, comparisons: Sequence[Power], hours: float | None) -> list[str]:
    """Say what the seeds so far could have resolved, what is open, and what closing it would take, `total_hours`."""
    least = sorted(one.least for one in comparisons if not math.isnan(one.least))
    if not least:
        return [
            "No row has a spread over two or more seeds paired with its baseline: what could be resolved is unknown."
        ]
    test = f"paired t-test at {100 * level(table):g} %"
    test += f", shared by {table.comparisons} comparisons" if table.comparisons > 1 else ""
    if table.stopping is not None:
        test = "paired t-test at the limit of the row's last look"
    by_row = f" (median over the rows; {_least(least[0])} to {_least(least[-1])})" if len(least) > 1 else ""
    lines = [
        f"With the spread seen, the seeds so far resolve with 80 % power a true difference of {_least(median(least))} "
        f"{table.metric.points} of {noun(table.metric)}{by_row}: {test}. A smaller one may well be there and go "
        "unseen: no clear difference does not mean none."
    ]
    if count := sum(one.state == "open" for one in comparisons):
        cost = "" if hours is None else f"; about {hours_text(hours)} device-hours in all, baselines included"
        seeds = "The table has for each the seeds to add until the next look of the stopping rule"
        if table.stopping is None:
            seeds = "Name a margin, the difference that matters, to see how many seeds to plan for"
            if table.margin is not None:
                within = f"±{table.margin:g} {table.metric.points}"
                seeds = f"The table has for each the seeds to add until a true difference of {within} would be seen, "
                seeds += f"and one of 0 found equivalent within {within}, with 80 % power"
        lines.append(f"Open: {count} of {len(comparisons)}. {seeds}{cost}.")
        if table.stopping is None:
            lines.append("Seeds added because of a look at these figures make p too small: confirm with fresh ones.")
    return lines


def columns(comparisons: Sequence[Power], margin: float | None) -> list[Column]:
    """Return the comparisons as columns to print; seeds to add are planned for the `margin`, or by a rule."""
    deltas = [one.row.delta for one in comparisons]
    open_needs = [one.need if one.state == "open" else None for one in comparisons]
    planned = [need if need and (need.to_look is not None or margin is not None) else None for need in open_needs]
    add = [_added(need) if need else "" for need in planned]
    hours = ["" if need is None or need.hours is None else hours_text(need.hours) for need in open_needs]
    spreads = [f"{delta.sd:.2f}" if delta is not None and delta.sd > 0 else "—" for delta in deltas]
    return [
        Column(heading="row", kind="label", cells=[one.row.label for one in comparisons]),
        Column(heading="paired seeds", kind="number", cells=[str(delta.n if delta else 0) for delta in deltas]),
        Column(heading="sd of Δ", kind="number", cells=spreads),
        Column(heading="could resolve", kind="number", cells=[_least(one.least) for one in comparisons]),
        Column(heading="state", kind="verdict", cells=[one.state for one in comparisons]),
        Column(heading="seeds to add", kind="number", cells=add),
        Column(heading="device-hours", kind="number", cells=hours),
    ]


def _added(need: Need) -> str:
    return f">{MOST_SEEDS - need.n}" if need.seeds is None else str(need.seeds)


def _least(value: float) -> str:
    return "—" if math.isnan(value) else f">{MOST:g}" if value > MOST else f"{value:.2f}"
