"""The columns of what rows have cost."""

import math

from analysis.checks.notes import three_digits
from analysis.cost.rows import RowCost, Spread
from analysis.formats.columns import Column, Columns, labels
from analysis.table.build import Table

HEADINGS = {
    "images_per_second": "images/s",
    "images_per_second_ratio": "images/s\nto baseline",
    "latency_ms": "latency\n(ms)",
    "latency_ms_ratio": "latency\nto baseline",
    "memory_mib": "memory\n(MiB)",
    "memory_mib_ratio": "memory\nto baseline",
}


def cost_columns(table: Table) -> Columns:
    """Return a column for each cost that some row has, and each row's device-hours."""
    costs = [table.costs.rows.get(row.label, RowCost(spreads={}, device_hours=0.0)) for row in table.rows]
    columns: Columns = [labels(table)]
    for name, heading in HEADINGS.items():
        spreads = [cost.spreads.get(name, Spread()) for cost in costs]
        if any(spread.n for spread in spreads):
            cells = [
                _text(one, row.n, ratio=name.endswith("ratio")) for one, row in zip(spreads, table.rows, strict=True)
            ]
            columns.append(Column(heading=heading, kind="number", cells=cells, plain=False, name=name))
    hours = [three_digits(cost.device_hours) if cost.device_hours else "" for cost in costs]
    return [*columns, Column(heading="device-hours", kind="number", cells=hours, plain=False, name="device_hours")]


def _text(spread: Spread, runs: int, *, ratio: bool) -> str:
    """Write `1,230 ± 14`, a ratio as `0.80 ± 0.01`; behind it over how many of the row's `runs`, unless over all."""
    if not spread.n:
        return ""
    digits = 2 if ratio else max(2 - math.floor(math.log10(spread.mean)), 0)
    sd = "" if math.isnan(spread.sd) else f" ± {spread.sd:,.{digits}f}"
    return f"{spread.mean:,.{digits}f}{sd}" + (f" ({spread.n} of {runs})" if spread.n < runs else "")
