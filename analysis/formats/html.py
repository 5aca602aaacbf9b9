"""The table for a web page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from analysis.formats.blocks import Block, blocks, bold, opens_panel
from analysis.formats.columns import Column
from analysis.formats.legend import Line, below
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import outcome
from studies.terminal.text import visible

Cell = Callable[[Column, int], str]
"""What stands in a column's cell at a place, as HTML."""


def as_html(table: Table) -> str:
    """Return `<table>`s to put into a page: question as caption, notes as foot of the last, no style of their own.

    A row's class is what its verdict begins with (`better`, `not-resolved`), a cell's is its column's kind; each panel
    is a `<tbody>`. Where there are several, each caption ends in what the table holds.
    """
    lines = []
    found = blocks(table)
    for block in found:
        caption = f"{table.question} {block.title}" if block.title else table.question
        lines += ["<table>", *block_lines(table, block, caption, table_cell(table, block))]
        if block is found[-1]:
            lines += ["<tfoot>", *(_foot(table, line, len(block.columns)) for line in below(table)), "</tfoot>"]
        lines += ["</table>"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text as HTML, also between quotes; control signs in it are visible."""
    return html.escape(visible(text))


def plain(text: str) -> str:
    """Return text as HTML, each run of blanks and newlines as one blank."""
    return escape(" ".join(text.split()))


def plain_cell(column: Column, place: int) -> str:
    """Return a cell's text as HTML; a dotted name may break behind its dot."""
    return re.sub(r"(?<=[a-z])\.(?=[a-z])", ".<wbr>", plain(column.cells[place]))


def table_cell(table: Table, block: Block, cell: Cell = plain_cell) -> Cell:
    """Return a cell renderer that makes the best figures bold and puts links to footnotes behind what `cell` writes."""
    best = bold(table, block)
    figures = None if block.figures is None else block.columns[block.figures]

    def told(column: Column, place: int) -> str:
        text = cell(column, place)
        if column is figures and place in best:
            text = text.replace(best[place], f"<strong>{best[place]}</strong>", 1)
        return text + _links(table, column.marks[place] if column.marks else ())

    return told


def block_lines(table: Table, block: Block, caption: str, cell: Cell) -> list[str]:
    """Return what stands in the `<table>` of one part of the table; see `grid_lines`."""
    panels = [place for place in range(len(table.rows)) if opens_panel(table, place)]
    return grid_lines(caption, block.columns, cell, classes=[row_class(row) for row in table.rows], breaks=panels)


def row_class(row: Row) -> str:
    """Return what a row's verdict begins with as the name of a class."""
    return outcome(row.verdict).replace(" ", "-")


def grid_lines(
    caption: str,
    columns: Sequence[Column],
    cell: Cell = plain_cell,
    *,
    classes: Sequence[str] = (),
    breaks: Sequence[int] = (),
) -> list[str]:
    """Return what stands in a `<table>`: caption, head, and a body whose rows are headed by the first column.

    Args:
        caption: plain text.
        columns: side by side, of equal length.
        cell: what stands in a column's cell at a place, as HTML.
        classes: each row's class; none by default.
        breaks: the places at which another `<tbody>` begins.

    """
    lines = [f"<caption>{plain(caption)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col" class="{column.kind}">{plain(column.heading)}</th>' for column in columns]
    lines += ["</tr></thead>", "<tbody>"]
    label, *others = columns
    for place in range(len(label.cells)):
        lines += ["</tbody>", "<tbody>"] if place in breaks else []
        lines.append(f'<tr class="{classes[place]}">' if classes else "<tr>")
        lines.append(f'<th scope="row" class="{label.kind}">{cell(label, place)}</th>')
        lines += [f'<td class="{column.kind}">{cell(column, place)}</td>' for column in others]
        lines.append("</tr>")
    return [*lines, "</tbody>"]


def _foot(table: Table, line: Line, columns: int) -> str:
    """Write a line of the foot; a footnote is one that the marks in the cells link to."""
    anchor = f' id="{note_anchor(table, line.mark)}"' if line.mark else ""
    return f'<tr><td colspan="{columns}"{anchor}>{note(line)}</td></tr>'


def note(line: Line) -> str:
    """Write a line below a table, a footnote with its letter before it."""
    return f"<sup>{line.mark}</sup> {plain(line.text)}" if line.mark else plain(line.text)


def _links(table: Table, marks: Sequence[str]) -> str:
    """Link a cell's marks, if it has any, to their footnotes."""
    found = [f'<a href="#{note_anchor(table, mark)}" aria-label="note {mark}">{mark}</a>' for mark in marks]
    return f"<sup>{', '.join(found)}</sup>" if found else ""


def note_anchor(table: Table, mark: str) -> str:
    """Return the id of a footnote: the study's label as letters, digits and dashes, and the mark."""
    label = re.sub(r"[^0-9A-Za-z]+", "-", table.study).strip("-")
    return f"{label}-note-{mark}"
