"""The table for a terminal."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import rich.table
from rich import box
from rich.cells import cell_len
from rich.text import Text

from analysis.formats.blocks import Block, blocks, opens_panel
from analysis.formats.columns import JOINTS, Column, FigureColumn, raised
from analysis.formats.legend import Line, Notes, below
from analysis.table.build import Table
from studies.terminal.console import Console
from studies.terminal.text import visible

GAP = 2
"""Spaces between columns: one of padding, one for the box."""
LEAST = 16
"""A verdict narrower than this is a column of single words; before that, figures break at their marks."""
NAME: Final = 20
"""A row's name is not made narrower than this while there is a column to leave out."""
FIRST: Final = ("macs", "params", "p_adjusted", "p", "published", "memory_mib", "latency_ms", "images_per_second")
"""The columns that a page too narrow for all leaves out, in this order; a row keeps its figure, Δ and verdict.

p says nothing that the interval and the verdict do not.
"""
COLORS = {"better": "green", "worse": "red", "baseline": "bold", "changes nothing": "yellow"}


class Layout(NamedTuple):
    """Columns and their widths; `stacked` where some row takes more than one line; the names of what is left out."""

    columns: Sequence[Column]
    widths: Sequence[int]
    stacked: bool
    hidden: Sequence[str] = ()

    @property
    def total(self) -> int:
        """How many columns of a page it takes."""
        return sum(self.widths) + GAP * len(self.widths) - 1


def as_text(
    table: Table,
    *,
    notes: Notes = "short",
    chosen: Sequence[str] = (),
    width: int = 100,
    whole: bool = True,
    color: bool = False,
) -> str:
    """Return the table for a page of `width` columns, with its notes below.

    Where it is too narrow, first verdicts break between words, then figures between their parts, then names of rows.
    What still does not fit makes the table wider, or, unless it is to be `whole` or its columns are `chosen`, leaves
    out some of `FIRST`, which a line below it names. No figure is ever cut.
    """
    parts = [(block, _layout(block, width, whole=whole or bool(chosen))) for block in blocks(table, chosen)]
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(width, *(layout.total for _, layout in parts)),
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
    for mark, note in [*_left_out(parts, width), *below(table, notes, chosen)]:
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


def _left_out(parts: Sequence[tuple[Block, Layout]], width: int) -> list[Line]:
    """Say which columns the page has no room for, and how to see them; nothing where it has."""
    hidden = [name for _, layout in parts for name in layout.hidden]
    if not hidden:
        return []
    wanted = max(_layout(block, width, whole=True).total for block, layout in parts if layout.hidden)
    return [
        Line(
            "",
            f"Left out at {width} columns: {', '.join(hidden)}. {wanted} have room for all; --columns "
            f"{','.join(hidden)} picks some, -o FILE and every other format have them.",
        )
    ]


def _layout(block: Block, width: int, *, whole: bool) -> Layout:
    """Break what is too wide, and leave out what still does not fit unless the table is to be `whole`."""
    columns = [column.printed() if isinstance(column, FigureColumn) else column for column in block.columns]
    layout, hidden = _folded(columns, width), []
    for name in () if whole else FIRST:
        if layout.total > width and any(column.name == name for column in columns):
            columns = [column for column in columns if column.name != name]
            hidden.append(name)
            layout = _folded(columns, width)
    if layout.total > width and not whole:
        layout = _narrowed(columns, width)
    return layout._replace(hidden=hidden)


def _folded(columns: Sequence[Column], width: int) -> Layout:
    """Break no more than the page wants: verdicts, then figures, then names."""
    flat = [replace(column, cells=[cell.replace("\n", " ") for cell in column.cells]) for column in columns]
    layout = Layout(flat, [_widest(column) for column in flat], stacked=False)
    if layout.total > width:
        layout = _narrowed(flat, width, verdict=LEAST)
    if layout.total > width:
        layout = _narrowed(columns, width, name=NAME)
    return layout


def _narrowed(columns: Sequence[Column], width: int, *, verdict: int = 0, name: int = 0) -> Layout:
    """Take from verdicts, then from names what the page lacks: none below so many signs, of verdicts no word.

    With a least width of verdicts names stay as they are.
    """
    widths = [_widest(column) for column in columns]
    narrowed = list(columns)
    for kind in ("verdict",) if verdict else ("verdict", "label"):
        for place, column in enumerate(columns):
            if column.kind != kind:
                continue
            words = [word for text in (column.heading, *column.cells) for word in text.split()]
            least = max(verdict, *map(cell_len, words)) if kind == "verdict" else max(name, cell_len(column.heading))
            excess = max(Layout(columns, widths, stacked=True).total - width, 0)
            widths[place] = min(widths[place], max(least, widths[place] - excess))
            if kind == "label":
                narrowed[place] = replace(column, cells=[_broken(cell, widths[place]) for cell in column.cells])
                widths[place] = min(widths[place], _widest(narrowed[place]))
    return Layout(narrowed, widths, stacked=True)


def _broken(label: str, width: int) -> str:
    """Break a label into lines of at most so many signs: between words, in one that is longer behind its signs."""
    lines = [""]
    for word in label.split():
        for number, part in enumerate([word] if cell_len(word) <= width else JOINTS.split(word)):
            blank = " " if lines[-1] and not number else ""
            if lines[-1] and cell_len(lines[-1] + blank + part) > width:
                lines.append(part)
            else:
                lines[-1] += blank + part
    return "\n".join(lines)


def _widest(column: Column) -> int:
    return max(cell_len(line) for text in (column.heading, *column.cells) for line in text.split("\n"))
