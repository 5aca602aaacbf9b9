"""The table for a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import rich.table
from rich import box
from rich.cells import cell_len
from rich.text import Text

from analysis.formats.blocks import Block, blocks, bold, opens_panel
from analysis.formats.columns import Column, marked, raised
from analysis.formats.legend import below
from analysis.table.build import Table
from studies.terminal.console import Console
from studies.terminal.text import visible

GAP = 2
"""Spaces between columns: one of padding, one for the box."""

LEAST = 16
"""A verdict narrower than this is a column of single words; before that, figures break at their marks."""

COLORS = {"better": "green", "worse": "red", "baseline": "bold", "changes nothing": "yellow"}


def as_text(table: Table, *, width: int, color: bool) -> str:
    """Return the table for a page of `width` columns, with its notes below.

    Where the page is too narrow for one line a row, figures break between their parts and texts between
    words. No figure is ever cut: a table that needs more is wider than the page.
    """
    found = [replace(block, columns=[marked(column) for column in block.columns]) for block in blocks(table)]
    total = max(width, *(_total([wide for _, wide in _laid_out(block.columns, width)[0]]) for block in found))
    out = io.StringIO()
    console = Console(
        file=out,
        width=total,
        height=100,  # with both given, rich does not ask the terminal
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
    )
    console.print(Text(table.question, style="bold"), width=width)
    for block in found:
        console.print()
        if block.title:
            console.print(Text(block.title, style="bold"), width=width)
        console.print(_grid(table, block, width, color))
    lines = [line.rstrip() for line in out.getvalue().splitlines()] + [""]
    for mark, note in below(table):
        sign = f"{raised([mark]) if mark else '·'} "
        hung = textwrap.wrap(visible(note), width, initial_indent=sign, subsequent_indent="  ", break_on_hyphens=False)
        lines.extend(hung)
    return "\n".join(lines) + "\n"


def _grid(table: Table, block: Block, width: int, color: bool) -> rich.table.Table:
    laid, stacked = _laid_out(block.columns, width)
    grid = rich.table.Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), leading=int(stacked)
    )
    for column, wide in laid:
        right = column.kind == "number"
        grid.add_column(
            Text(column.heading),
            width=wide,
            justify="right" if right else "left",
            overflow="fold",
            vertical="top",
        )
    best = bold(table, block) if color else {}
    for place, row in enumerate(table.rows):
        if opens_panel(table, place) and not stacked:
            grid.add_row()
        cells = [Text(column.cells[place]) for column, _ in laid]
        if place in best and block.figures is not None:
            cells[block.figures].highlight_words([best[place]], "bold")
        colored = color and row.verdict.settled
        grid.add_row(*cells, style=COLORS.get(row.verdict.kind, "") if colored else "")
    return grid


def _laid_out(found: Sequence[Column], width: int) -> tuple[list[tuple[Column, int]], bool]:
    """Give each column its width, and say whether some row takes more than one line."""
    flat = [replace(column, cells=[cell.replace("\n", " ") for cell in column.cells]) for column in found]
    widths = [_widest(column) for column in flat]
    if _total(widths) <= width:
        return list(zip(flat, widths, strict=True)), False
    _narrow(flat, widths, width, "verdict", LEAST)
    if _total(widths) <= width:
        return list(zip(flat, widths, strict=True)), True
    broken = _merged(found)
    widths = [_widest(column) for column in broken]
    _narrow(broken, widths, width, "verdict", 0)
    _narrow(broken, widths, width, "label", 0)
    return list(zip(broken, widths, strict=True)), True


def _narrow(found: Sequence[Column], widths: list[int], width: int, kind: str, least: int) -> None:
    """Take from the columns of this kind what the page lacks, but no word and not below `least`."""
    for place, column in enumerate(found):
        if column.kind == kind:
            excess = max(_total(widths) - width, 0)
            widths[place] = min(widths[place], max(_longest_word(column), least, widths[place] - excess))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * len(widths) - 1


def _merged(found: Sequence[Column]) -> list[Column]:
    """Put the last two columns, a published figure and whether it is reproduced, above each other."""
    if found[-1].heading != "reproduced?":
        return list(found)
    *others, published, reproduced = found
    cells = [f"{a}\n{b}".strip() for a, b in zip(published.cells, reproduced.cells, strict=True)]
    return [*others, Column(heading="published", kind="label", cells=cells)]


def _widest(column: Column) -> int:
    return max(cell_len(line) for text in (column.heading, *column.cells) for line in text.split("\n"))


def _longest_word(column: Column) -> int:
    return max(cell_len(word) for text in (column.heading, *column.cells) for word in text.split())
