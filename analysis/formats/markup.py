"""The table for a web page."""

from __future__ import annotations

from html import escape

from analysis.formats.columns import columns
from analysis.formats.legend import legend
from analysis.table import Table


def as_html(table: Table) -> str:
    """Return a `<table>` to put into a page: question as caption, notes as foot, no style of its own.

    A row's class is its verdict up to the colon (`better`, `not-resolved`), a cell's is its column's kind.
    """
    found = columns(table)
    lines = ["<table>", f"<caption>{_plain(table.question)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col" class="{column.kind}">{_plain(column.heading)}</th>' for column in found]
    lines += ["</tr></thead>", "<tbody>"]
    for place, row in enumerate(table.rows):
        lines.append(f'<tr class="{row.verdict.split(":")[0].replace(" ", "-")}">')
        label, *others = found
        lines.append(f'<th scope="row" class="{label.kind}">{_plain(label.cells[place])}</th>')
        lines += [f'<td class="{column.kind}">{_plain(column.cells[place])}</td>' for column in others]
        lines.append("</tr>")
    lines += ["</tbody>", "<tfoot>"]
    lines += [f'<tr><td colspan="{len(found)}">{_plain(note)}</td></tr>' for note in [*table.notes, *legend(table)]]
    return "\n".join([*lines, "</tfoot>", "</table>"]) + "\n"


def _plain(text: str) -> str:
    return escape(" ".join(text.split()))
