"""The table for a web page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import chain

from analysis.formats.blocks import Block, blocks, bold, opens_panel
from analysis.formats.legend import Line, below
from analysis.table import Table
from analysis.verdict import outcome


def as_html(table: Table) -> str:
    """Return `<table>`s to put into a page: question as caption, notes as foot of the last, no style of their own.

    A row's class is its verdict up to the colon (`better`, `not-resolved`), a cell's is its column's kind; each panel
    is a `<tbody>`. Where there are several, each caption ends in what the table holds. Each panel's best row is in
    `<strong>` if it is resolved to be better. Marks link to their footnotes, whose ids begin with the study's label.
    """
    lines = []
    found = blocks(table)
    for block in found:
        lines += _grid(table, block)
        if block is found[-1]:
            lines += ["<tfoot>", *(_foot(table, line, len(block.columns)) for line in below(table)), "</tfoot>"]
        lines += ["</table>"]
    return "\n".join(lines) + "\n"


def _grid(table: Table, block: Block) -> list[str]:
    caption = f"{table.question} {block.title}" if block.title else table.question
    lines = ["<table>", f"<caption>{_plain(caption)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col" class="{column.kind}">{_plain(column.heading)}</th>' for column in block.columns]
    lines += ["</tr></thead>", "<tbody>"]
    label, *others = block.columns
    best = bold(table, block)
    for place, row in enumerate(table.rows):
        if opens_panel(table, place):
            lines += ["</tbody>", "<tbody>"]
        lines.append(f'<tr class="{outcome(row.verdict).replace(" ", "-")}">')
        lines.append(f'<th scope="row" class="{label.kind}">{_plain(label.cells[place])}</th>')
        for number, column in enumerate(others, 1):
            cell = _plain(column.cells[place])
            if number == block.figures and place in best:
                cell = cell.replace(best[place], f"<strong>{best[place]}</strong>", 1)
            lines.append(f'<td class="{column.kind}">{cell}{_links(table, column.marks[place : place + 1])}</td>')
        lines.append("</tr>")
    return [*lines, "</tbody>"]


def _foot(table: Table, line: Line, columns: int) -> str:
    """Write a line of the foot; a footnote is one that the marks in the cells link to."""
    if not line.mark:
        return f'<tr><td colspan="{columns}">{_plain(line.text)}</td></tr>'
    anchor = _anchor(table, line.mark)
    return f'<tr><td colspan="{columns}" id="{anchor}"><sup>{line.mark}</sup> {_plain(line.text)}</td></tr>'


def _links(table: Table, marks: Sequence[tuple[str, ...]]) -> str:
    """Link a cell's marks, if it has any, to their footnotes."""
    found = [f'<a href="#{_anchor(table, mark)}" aria-label="note {mark}">{mark}</a>' for mark in chain(*marks)]
    return f"<sup>{', '.join(found)}</sup>" if found else ""


def _anchor(table: Table, mark: str) -> str:
    """Return the id of a footnote: the study's label as letters, digits and dashes, and the mark."""
    label = re.sub(r"[^0-9A-Za-z]+", "-", table.study).strip("-")
    return f"{label}-note-{mark}"


def _plain(text: str) -> str:
    return escape(" ".join(text.split()))
