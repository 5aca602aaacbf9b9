"""The table for a web page."""

from __future__ import annotations

from html import escape

from analysis.formats.blocks import Block, blocks, opens_panel
from analysis.formats.legend import legend
from analysis.table import Table


def as_html(table: Table) -> str:
    """Return `<table>`s to put into a page: question as caption, notes as foot of the last, no style of their own.

    A row's class is its verdict up to the colon (`better`, `not-resolved`), a cell's is its column's kind; each panel
    is a `<tbody>`. Where there are several, each caption ends in what the table holds.
    """
    lines = []
    found = blocks(table)
    for block in found:
        lines += _grid(table, block)
        if block is found[-1]:
            wide = len(block.columns)
            lines += ["<tfoot>"]
            lines += [f'<tr><td colspan="{wide}">{_plain(note)}</td></tr>' for note in [*table.notes, *legend(table)]]
            lines += ["</tfoot>"]
        lines += ["</table>"]
    return "\n".join(lines) + "\n"


def _grid(table: Table, block: Block) -> list[str]:
    caption = f"{table.question} {block.title}" if block.title else table.question
    lines = ["<table>", f"<caption>{_plain(caption)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col" class="{column.kind}">{_plain(column.heading)}</th>' for column in block.columns]
    lines += ["</tr></thead>", "<tbody>"]
    label, *others = block.columns
    for place, row in enumerate(table.rows):
        if opens_panel(table, place):
            lines += ["</tbody>", "<tbody>"]
        lines.append(f'<tr class="{row.verdict.split(":")[0].replace(" ", "-")}">')
        lines.append(f'<th scope="row" class="{label.kind}">{_plain(label.cells[place])}</th>')
        lines += [f'<td class="{column.kind}">{_plain(column.cells[place])}</td>' for column in others]
        lines.append("</tr>")
    return [*lines, "</tbody>"]


def _plain(text: str) -> str:
    return escape(" ".join(text.split()))
