"""A table's parts in the order of reading: one grid, or the size of the networks and each figure by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.formats.columns import Column, aligned, columns, compare, figures, heading, mean_and_sd, published
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.published import BILLION, MILLION, PrintedCount, decimals, rounded
from lightning_bam.run_folder.result import METRICS

MORE = 2
"""Decimals of a count beyond the printed ones, to see which way it rounds."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Columns that stand side by side; `title` is empty where they are the whole table.

    `figures` is the place of the column with the means of the study's metric; None where there is none.
    """

    title: str
    columns: list[Column]
    figures: int | None = None


def blocks(table: Table) -> list[Block]:
    """Return the parts to print: more than one where the paper prints the size of networks."""
    if not table.prints_counts:
        return [Block(title="", columns=columns(table), figures=3)]
    names = [name for name in METRICS if any(other.metric == name for row in table.rows for other in row.others)]
    return [
        Block(title="Size of the networks", columns=_sizes(table)),
        Block(title=titled(table.metric.label), columns=_figures(table), figures=2),
        *(Block(title=titled(METRICS[name].label), columns=_other(table, name)) for name in names),
    ]


def titled(label: str) -> str:
    """Return a metric's label as a title: no unit, a capital where it begins with a word."""
    bare = label.removesuffix(" (%)")
    return bare[:1].upper() + bare[1:] if bare.islower() or bare[0] == "t" else bare


def _sizes(table: Table) -> list[Column]:
    found = [_labels(table)]
    for name, power in (("params (M)", MILLION), ("MACs (G)", BILLION)):
        counts = [row.printed_params if power == MILLION else row.printed_macs for row in table.rows]
        if not any(counts):
            continue
        word = name.partition(" ")[0]
        found += [
            Column(heading=f"{name}\npublished", kind="number", cells=[c.printed if c else "" for c in counts]),
            Column(
                heading=f"{name}\ncounted",
                kind="number",
                cells=[_counted(row, count, power) for row, count in zip(table.rows, counts, strict=True)],
            ),
            Column(heading=f"{word}\nequal?", kind="label", cells=[_equal(count) for count in counts]),
        ]
    return found


def _counted(row: Row, count: PrintedCount | None, power: int) -> str:
    ours = row.params if power == MILLION else row.macs
    return "" if ours is None else rounded(ours, decimals(count.printed) + MORE if count else 2 + MORE, power)


def _equal(count: PrintedCount | None) -> str:
    return "" if count is None or count.equal is None else "yes" if count.equal else "no"


def _figures(table: Table) -> list[Column]:
    printed, reproduced = published(table)
    found = [_labels(table), printed, figures(table), reproduced]
    return found + compare(table) if any(row.n for row in table.rows) else found


def _other(table: Table, name: str) -> list[Column]:
    by_row = [next((other for other in row.others if other.metric == name), None) for row in table.rows]
    return [
        _labels(table),
        Column(
            heading="published", kind="number", cells=[f"{other.published:.2f}" if other else "" for other in by_row]
        ),
        Column(
            heading=heading(METRICS[name]),
            kind="figures",
            cells=aligned(
                ["" if o is None else f"{mean_and_sd(o.mean, o.sd)}" + (f" ({o.n})" if o.n else "") for o in by_row]
            ),
            marks=tuple(row.marks if o and o.n else () for row, o in zip(table.rows, by_row, strict=True)),
        ),
        Column(heading="reproduced?", kind="label", cells=[other.reproduced if other else "" for other in by_row]),
    ]


def _labels(table: Table) -> Column:
    return Column(heading="row", kind="label", cells=[row.label for row in table.rows])


def opens_panel(table: Table, place: int) -> bool:
    """Say whether another panel begins with this row."""
    return place > 0 and table.rows[place].baseline != table.rows[place - 1].baseline


def champions(table: Table) -> list[Row]:
    """Return each panel's best row among those resolved to be better than its baseline."""
    sign = -1 if table.metric.higher_is_better else 1
    found: dict[str, Row] = {}
    for row in table.rows:
        if row.verdict.kind == "better" and row.verdict.settled and not math.isnan(row.mean):
            rival = found.get(row.baseline)
            if rival is None or sign * row.mean < sign * rival.mean:
                found[row.baseline] = row
    return list(found.values())


def bold(table: Table, block: Block) -> dict[int, str]:
    """Return the figures that formats for reading print in bold: place of a champion's row -> its mean, as it stands
    in the column `block.figures`; empty where the block has none.
    """
    if block.figures is None:
        return {}
    best = {row.label for row in champions(table)}
    return {place: f"{row.mean:.2f}" for place, row in enumerate(table.rows) if row.label in best}
