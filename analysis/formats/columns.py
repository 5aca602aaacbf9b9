"""A table's figures as short texts, the same in every format made for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.checks.footnotes import LETTERS
from analysis.table.build import Table
from analysis.table.model import Row
from lightning_bam.run_folder.result import Metric

RAISED: Final = dict(zip(LETTERS, "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))
"""Letters of footnotes as they stand in a terminal and in Markdown: one column wide, and no markup."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and a cell for each row; a newline is where a narrow page may break, else a space.

    `kind` says what the cells hold: `label`, `verdict`, `number` (aligned to the right) or `figures` (aligned
    already, by their first figure). `marks` are each row's footnotes where its cell is one to mark, else empty.
    """

    heading: str
    kind: str
    cells: list[str]
    marks: tuple[tuple[str, ...], ...] = ()


def columns(table: Table) -> list[Column]:
    """Return the columns to print; the published figures only where the study has some."""
    rows = table.rows
    unit, macs = _macs([row.macs for row in rows])
    found = [
        Column(heading="row", kind="label", cells=[row.label for row in rows]),
        Column(heading="params\n(M)", kind="number", cells=[_params(row.params) for row in rows]),
        Column(heading=f"MACs\n({unit})", kind="number", cells=macs),
        figures(table),
        *compare(table),
    ]
    return found + published(table) if any(row.published is not None for row in rows) else found


def published(table: Table) -> list[Column]:
    """Return the columns of the paper's figures, and of what became of them."""
    cells = ["" if row.published is None else f"{row.published:.2f}" for row in table.rows]
    return [
        Column(heading="published", kind="number", cells=cells),
        Column(heading="reproduced?", kind="label", cells=[row.reproduced for row in table.rows]),
    ]


def figures(table: Table) -> Column:
    """Return the column of the study's own metric."""
    return Column(
        heading=heading(table.metric),
        kind="figures",
        cells=aligned([figure(row) for row in table.rows]),
        marks=tuple(row.marks for row in table.rows),
    )


def raised(marks: Sequence[str]) -> str:
    """Write footnotes' letters as raised ones, with a comma between two."""
    return ",".join("".join(RAISED[letter] for letter in mark) for mark in marks)


def marked(column: Column) -> Column:
    """Return the column with the letters of its footnotes behind its cells."""
    if not any(column.marks):
        return column
    cells = [cell + raised(marks) for cell, marks in zip(column.cells, column.marks, strict=True)]
    return replace(column, cells=cells, marks=())


def compare(table: Table) -> list[Column]:
    """Return the columns that hold each row against its baseline."""
    rows = table.rows
    ruled = table.stopping is not None
    p = [_limited(row) if ruled else _p(row.p_holm) for row in rows]
    return [
        Column(heading="Δ to\nbaseline", kind="figures", cells=aligned([_delta(row) for row in rows])),
        Column(heading="p\n(limit)" if ruled else "p\n(Holm)", kind="number", cells=p),
        Column(heading="verdict", kind="verdict", cells=[str(row.verdict) for row in rows]),
    ]


def heading(metric: Metric) -> str:
    """Return what heads the figures of a metric."""
    return "error (%)" if metric.name == "error_top1" else metric.label


def _params(params: int | None) -> str:
    return "" if params is None else f"{params / 1e6:.3f}"


def _macs(macs: Sequence[int | None]) -> tuple[str, list[str]]:
    """Choose one unit and as many digits as give the largest figure four."""
    most = max((count for count in macs if count), default=0)
    unit, scale = ("G", 1e9) if most >= 1e8 else ("M", 1e6)
    digits = max(0, 3 - math.floor(math.log10(most / scale))) if most else 0
    return unit, ["" if count is None else f"{count / scale:.{digits}f}" for count in macs]


def figure(row: Row) -> str:
    """Write a row's mean and standard deviation, and how many of its runs are behind it."""
    shown = mean_and_sd(row.mean, row.sd)
    if row.n == row.wanted:
        return f"{shown} ({row.n})"
    rest = ",\n".join(f"{count} {state}" for state, count in sorted(row.states.items()))
    return f"{shown}\n({row.n} of {row.wanted};\n{rest})"


def mean_and_sd(mean: float, sd: float) -> str:
    """Write `20.10 ± 0.76`, `20.10` where there is no spread, a dash where there is nothing."""
    shown = "—" if math.isnan(mean) else f"{mean:.2f}"
    return shown if math.isnan(sd) else f"{shown} ± {sd:.2f}"


def _delta(row: Row) -> str:
    if row.delta is None:
        return ""
    if math.isnan(row.delta.low):
        return signed(row.delta.mean)
    return f"{signed(row.delta.mean)}\n[{signed(row.delta.low)}, {signed(row.delta.high)}]"


def signed(value: float) -> str:
    """Write a difference with two decimals and its sign, also where it rounds to zero."""
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value):.2f}"


def _p(p: float) -> str:
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _limited(row: Row) -> str:
    """Write p at the last look, and the limit that it is held against there."""
    found = row.interim
    if found is None or found.delta is None or found.limit is None or math.isnan(found.delta.p):
        return ""
    return f"{found.delta.p:.2g}\n({found.limit:.2g})"


def aligned(cells: Sequence[str]) -> list[str]:
    """Pad each cell's first figure so that the decimal points stand below each other."""
    heads = [cell.split(maxsplit=1)[0] if cell else "" for cell in cells]
    widest = max(map(len, heads))
    return [" " * (widest - len(head)) + cell if cell else "" for head, cell in zip(heads, cells, strict=True)]
