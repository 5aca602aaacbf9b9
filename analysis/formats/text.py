"""The table for a terminal."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import rich.table
from rich import box
from rich.cells import cell_len
from rich.text import Text

from analysis.formats.blocks import Block, blocks, opens_panel
from analysis.formats.columns import Column, FigureColumn, raised
from analysis.formats.legend import Notes, below
from analysis.table.build import Table
from studies.terminal.console import Console
from studies.terminal.text import visible

GAP = 2
"""Spaces between columns: one of padding, one for the box."""
LEAST = 16
"""A verdict narrower than this is a column of single words; before that, figures break at their marks."""
COLORS = {"better": "green", "worse": "red", "baseline": "bold", "changes nothing": "yellow"}


class Layout(NamedTuple):
    """Columns and their widths; `stacked` where some row takes more than one line."""

    columns: Sequence[Column]
    widths: Sequence[int]
    stacked: bool


def as_text(
    table: Table, *, notes: Notes = "short", chosen: Sequence[str] = (), width: int = 100, color: bool = False
) -> str:
    """Return the table for a page of `width` columns, with its notes below.

    Where it is too narrow, figures break between their parts and texts between words; no figure is ever cut.
    """
    parts = [(block, _layout(block, width)) for block in blocks(table, chosen)]
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(width, *(_total(layout.widths) for _, layout in parts)),
        height=100,  # with both given, rich does not ask the terminal
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
    )
    console.print(Text(table.question, style="bold"), width=width)
    for block, layout in parts:
        console.print()
        if block.title:
            console.print(Text(block.title, style="bold"), width=width)
        console.print(_grid(table, block, layout, color))
    lines = [line.rstrip() for line in out.getvalue().splitlines()] + [""]
    for mark, note in below(table, notes):
        sign = f"{raised([mark]) if mark else '·'} "
        hung = textwrap.wrap(visible(note), width, initial_indent=sign, subsequent_indent="  ", break_on_hyphens=False)
        lines.extend(hung)
    return "\n".join(lines) + "\n"


def _grid(table: Table, block: Block, layout: Layout, color: bool) -> rich.table.Table:
    grid = rich.table.Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), leading=int(layout.stacked)
    )
    for column, wide in zip(layout.columns, layout.widths, strict=True):
        grid.add_column(
            Text(column.heading),
            width=wide,
            justify="right" if column.kind == "number" else "left",
            overflow="fold",
            vertical="top",
        )
    for place, row in enumerate(table.rows):
        if opens_panel(table, place) and not layout.stacked:
            grid.add_row()
        cells = [Text(column.cells[place]) for column in layout.columns]
        for cell, source in zip(cells, block.columns, strict=False):
            if color and isinstance(source, FigureColumn) and (figure := source.figures[place]) and figure.best:
                cell.stylize("bold", source.pads[place], source.pads[place] + len(figure.head))
        grid.add_row(*cells, style=COLORS.get(row.verdict.kind, "") if color and row.verdict.settled else "")
    return grid


def _layout(block: Block, width: int) -> Layout:
    columns = [column.printed() if isinstance(column, FigureColumn) else column for column in block.columns]
    flat = [replace(column, cells=[cell.replace("\n", " ") for cell in column.cells]) for column in columns]
    widths = [_widest(column) for column in flat]
    if _total(widths) <= width:
        return Layout(flat, widths, stacked=False)
    _narrow(flat, widths, width, "verdict", LEAST)
    if _total(widths) > width:
        flat = columns
        widths = [_widest(column) for column in flat]
        _narrow(flat, widths, width, "verdict", 0)
        _narrow(flat, widths, width, "label", 0)
    return Layout(flat, widths, stacked=True)


def _narrow(columns: Sequence[Column], widths: list[int], width: int, kind: str, least: int) -> None:
    """Take from the columns of this kind what the page lacks, but no word and not below `least`."""
    for place, column in enumerate(columns):
        if column.kind == kind:
            longest = max(cell_len(word) for text in (column.heading, *column.cells) for word in text.split())
            excess = max(_total(widths) - width, 0)
            widths[place] = min(widths[place], max(longest, least, widths[place] - excess))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * len(widths) - 1


def _widest(column: Column) -> int:
    return max(cell_len(line) for text in (column.heading, *column.cells) for line in text.split("\n"))
