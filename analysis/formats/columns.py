"""A table's figures as short texts, the same in every format made for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.row import Row
from analysis.table import Table


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and a cell for each row; a newline is where a narrow page may break, else a space.

    `kind` says what the cells hold: `label`, `verdict`, `number` (aligned to the right) or `figures` (aligned
    already, by their first figure).
    """

    heading: str
    kind: str
    cells: list[str]


def columns(table: Table) -> list[Column]:
    """Return the columns to print; the published figures only where the study has some."""
    rows = table.rows
    unit, macs = _macs([row.macs for row in rows])
    found = [
        Column(heading="row", kind="label", cells=[row.label for row in rows]),
        Column(heading="params\n(M)", kind="number", cells=[_params(row.params) for row in rows]),
        Column(heading=f"MACs\n({unit})", kind="number", cells=macs),
        Column(heading="error (%)", kind="figures", cells=_aligned([_error(row) for row in rows])),
        Column(heading="Δ to\nbaseline", kind="figures", cells=_aligned([_delta(row) for row in rows])),
        Column(heading="p\n(Holm)", kind="number", cells=[_p(row.p_holm) for row in rows]),
        Column(heading="verdict", kind="verdict", cells=[row.verdict for row in rows]),
    ]
    if any(row.published is not None for row in rows):
        published = ["" if row.published is None else f"{row.published:.2f}" for row in rows]
        found.append(Column(heading="published", kind="number", cells=published))
        found.append(Column(heading="reproduced?", kind="label", cells=[row.reproduced for row in rows]))
    return found


def best(table: Table) -> Row | None:
    """Return the row of least mean error among those resolved to be better than the baseline."""
    better = [row for row in table.rows if row.verdict == "better"]
    return min(better, key=lambda row: row.mean, default=None)


def _params(params: int | None) -> str:
    return "" if params is None else f"{params / 1e6:.3f}"


def _macs(macs: Sequence[int | None]) -> tuple[str, list[str]]:
    """Choose one unit and as many digits as give the largest figure four."""
    most = max((count for count in macs if count), default=0)
    unit, scale = ("G", 1e9) if most >= 1e8 else ("M", 1e6)
    digits = max(0, 3 - math.floor(math.log10(most / scale))) if most else 0
    return unit, ["" if count is None else f"{count / scale:.{digits}f}" for count in macs]


def _error(row: Row) -> str:
    figure = "—" if math.isnan(row.mean) else f"{row.mean:.2f}"
    if not math.isnan(row.sd):
        figure += f" ± {row.sd:.2f}"
    if row.n == row.wanted:
        return f"{figure} ({row.n})"
    rest = ",\n".join(f"{count} {state}" for state, count in sorted(row.states.items()))
    return f"{figure}\n({row.n} of {row.wanted};\n{rest})"


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


def _aligned(cells: Sequence[str]) -> list[str]:
    """Pad each cell's first figure so that the decimal points stand below each other."""
    heads = [cell.split(maxsplit=1)[0] if cell else "" for cell in cells]
    widest = max(map(len, heads))
    return [" " * (widest - len(head)) + cell if cell else "" for head, cell in zip(heads, cells, strict=True)]
