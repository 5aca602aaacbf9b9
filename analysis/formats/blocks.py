"""A table's parts in the order of reading: one grid, or the size of the networks and each figure by itself."""

from typing import NamedTuple

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
from analysis.table.build import Table
from analysis.table.published import BILLION, MILLION, decimals, rounded
from lightning_bam.config import metrics

MORE = 2
"""Decimals of a count beyond the printed ones, to see which way it rounds."""


class Block(NamedTuple):
    """Columns that stand side by side; `title` is empty where they are the whole table."""

    title: str
    columns: Columns


def blocks(table: Table) -> list[Block]:
    """Return the parts to print: more than one where the paper prints the size of networks, or costs are shown."""
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
        sizes += [
            Column(heading=f"{name} ({unit})\npublished", kind="number", cells=printed),
            Column(heading=f"{name} ({unit})\ncounted", kind="number", cells=counted),
            Column(heading=f"{name}\nequal?", kind="label", cells=equal),
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
        FigureColumn(heading=heading(metrics()[name]), figures=ours),
        FigureColumn(heading="published", figures=printed),
    ]


def opens_panel(table: Table, place: int) -> bool:
    """Say whether another panel begins with this row."""
    return place > 0 and table.rows[place].baseline != table.rows[place - 1].baseline
