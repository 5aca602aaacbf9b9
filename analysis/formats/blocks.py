"""A table's parts in the order of reading: one grid, or the size of the networks and each figure by itself."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, NamedTuple

from analysis.formats.columns import (
    Column,
    Columns,
    Figure,
    FigureColumn,
    Printed,
    columns,
    differences,
    figures,
    heading,
    labels,
    published,
)
from analysis.formats.cost import cost_columns
from analysis.formats.data import frame
from analysis.table.build import Table
from analysis.table.published import BILLION, MILLION, decimals, rounded
from lightning_bam.config import metrics, nearest
from studies.errors import StudyError

ALL = "`bam table STUDY --format csv` has all"
"""What lists the names of columns."""
MORE = 2
"""Decimals of a count beyond the printed ones, to see which way it rounds."""


class Block(NamedTuple):
    """Columns that stand side by side; `title` is empty where they are the whole table."""

    title: str
    columns: Columns


def blocks(table: Table, chosen: Sequence[str] = ()) -> list[Block]:
    """Return the parts to print: more than one where the paper prints the size of networks, or costs are shown.

    One with these columns where some are `chosen`, by their names in the CSV.
    """
    if chosen:
        return [Block("", [labels(table), *_chosen(table, [name for name in chosen if name != "row"])])]
    cost = [Block("Cost as measured", cost_columns(table))] if table.shows_costs else []
    if not table.prints_counts:
        return [Block("", columns(table)), *cost]
    compared = differences(table) if any(row.n for row in table.rows) else []
    others = {other.metric for row in table.rows for other in row.others}
    return [
        Block("Size of the networks", [labels(table), *_sizes(table)]),
        Block(titled(table.metric.label), [labels(table), figures(table), *compared, *published(table)]),
        *(Block(titled(metrics()[name].label), _other(table, name)) for name in metrics() if name in others),
        *cost,
    ]


def check_columns(names: Iterable[str], tables: Sequence[Table]) -> list[str]:
    """Return the names, each once; StudyError, with the nearest, for one that the CSV of these tables has not."""
    known = list(map(str, frame(tables)))
    for name in names:
        if name not in known:
            raise StudyError(f"--columns {name}: no such column; {nearest(name, known, rest=ALL)}")
    return list(dict.fromkeys(names))


def _chosen(table: Table, names: Sequence[str]) -> Columns:
    """Return columns as tables have them; one that no table for reading has, as its values, to four digits."""
    parts = [*blocks(replace(table, shows_costs=True)), Block("", columns(table))]
    usual = {column.name: column for part in reversed(parts) for column in part.columns}
    values = frame([table])
    return [usual.get(name) or _plain(name, list(values[name])) for name in names if name in values]


def _plain(name: str, values: Sequence[Any]) -> Column:
    """Return the values of a column of the CSV as texts, empty where there is none."""
    numbers = any(isinstance(value, Real) and not isinstance(value, bool) for value in values)
    cells = [_text(value) for value in values]
    return Column(heading=name, kind="number" if numbers else "label", cells=cells, plain=False, name=name)


def _text(value: Any) -> str:
    """Write a value of the CSV: a number to four digits, yes or no, a text as it stands; empty for none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return "" if math.isnan(value) else f"{float(value):.4g}".replace("-", "−")
    return value if isinstance(value, str) else ""


def titled(label: str) -> str:
    """Return a metric's label as a title: no unit, a capital where it begins with a word."""
    bare = label.removesuffix(" (%)")
    return bare[:1].upper() + bare[1:] if bare.islower() or bare[0] == "t" else bare


def _sizes(table: Table) -> Columns:
    params = ("params", "M", MILLION, [(row.params, row.printed_params) for row in table.rows])
    macs = ("MACs", "G", BILLION, [(row.macs, row.printed_macs) for row in table.rows])
    sizes: Columns = []
    for name, unit, power, counts in (params, macs):
        if not any(paper for _, paper in counts):
            continue
        printed = [paper.printed if paper else "" for _, paper in counts]
        counted = [
            "" if ours is None else rounded(ours, MORE + (decimals(paper.printed) if paper else 2), power)
            for ours, paper in counts
        ]
        equal = [{True: "yes", False: "no", None: ""}[paper.equal if paper else None] for _, paper in counts]
        column = f"published_{name.lower()}_{unit.lower()}"
        sizes += [
            Column(heading=f"{name} ({unit})\npublished", kind="number", cells=printed, name=column),
            Column(heading=f"{name} ({unit})\ncounted", kind="number", cells=counted),
            Column(heading=f"{name}\nequal?", kind="label", cells=equal, name=f"{name.lower()}_equal"),
        ]
    return sizes


def _other(table: Table, name: str) -> Columns:
    rows = [(row, next((other for other in row.others if other.metric == name), None)) for row in table.rows]
    ours = [
        Figure(mean=other.mean, sd=other.sd, n=other.n, marks=row.marks if other.n else ()) if other else None
        for row, other in rows
    ]
    printed = [Printed(mean=other.published, said=other.compatible) if other else None for _, other in rows]
    return [
        labels(table),
        FigureColumn(heading=heading(metrics()[name]), figures=ours, name=f"{name}_mean"),
        FigureColumn(heading="published", figures=printed, name=f"published_{name}"),
    ]


def opens_panel(table: Table, place: int) -> bool:
    """Say whether another panel begins with this row."""
    return place > 0 and table.rows[place].baseline != table.rows[place - 1].baseline
