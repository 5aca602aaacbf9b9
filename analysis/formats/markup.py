"""The table for a web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from analysis.formats.blocks import Block, blocks, opens_panel
from analysis.formats.columns import Column
from analysis.formats.legend import legend
from analysis.row import Row
from analysis.table import Table


def as_html(table: Table) -> str:
    """Return `<table>`s to put into a page: question as caption, notes as foot of the last, no style of their own.

    A row's class is its verdict up to the colon (`better`, `not-resolved`), a cell's is its column's kind; each panel
    is a `<tbody>`. Where there are several, each caption ends in what the table holds.
    """
    lines = []
    found = blocks(table)
    for block in found:
        caption = f"{table.question} {block.title}" if block.title else table.question
        lines += ["<table>", *block_lines(table, block, caption)]
        if block is found[-1]:
            wide = len(block.columns)
            lines += ["<tfoot>"]
            lines += [f'<tr><td colspan="{wide}">{plain(note)}</td></tr>' for note in [*table.notes, *legend(table)]]
            lines += ["</tfoot>"]
        lines += ["</table>"]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return text as HTML, each run of blanks and newlines as one blank."""
    return escape(" ".join(text.split()))


def plain_cell(column: Column, place: int) -> str:
    """Return a cell's text as HTML."""
    return plain(column.cells[place])


def block_lines(table: Table, block: Block, caption: str, cell: Callable[[Column, int], str] = plain_cell) -> list[str]:
    """Return what stands in the `<table>` of one part of the table; see `grid_lines`."""
    panels = [place for place in range(len(table.rows)) if opens_panel(table, place)]
    return grid_lines(caption, block.columns, cell, classes=[row_class(row) for row in table.rows], breaks=panels)


def row_class(row: Row) -> str:
    """Return a row's verdict up to the colon as the name of a class."""
    return row.verdict.split(":")[0].replace(" ", "-")


def grid_lines(
    caption: str,
    columns: Sequence[Column],
    cell: Callable[[Column, int], str] = plain_cell,
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
