"""The table for a web page."""

import re
from collections.abc import Sequence

from markupsafe import Markup

from analysis.formats.blocks import Block, blocks, opens_panel
from analysis.formats.legend import Line, Notes, below
from analysis.html.templates import render
from analysis.table.build import Table


def as_html(table: Table, *, notes: Notes = "short", chosen: Sequence[str] = ()) -> str:
    """Return `<table>`s to put into a page: question as caption, notes as foot of the last, no style of their own.

    A row's class is what its verdict begins with (`better`), a cell's its column's kind; each panel is a `<tbody>`.
    """
    parts = blocks(table, chosen)
    lines = below(table, notes, chosen)
    return "".join(
        html_table(table, part, f"{table.question} {part.title}", foot=lines if part is parts[-1] else ())
        for part in parts
    )


def html_table(table: Table, block: Block, caption: str, *, foot: Sequence[Line] = (), goal: str = "") -> Markup:
    """Return a part of the table over its `foot`; names and figures link to the id `goal` and the row's number."""
    return render(
        "formats/table.html.j2",
        caption=caption,
        columns=block.columns,
        classes=[row.verdict.kind.replace(" ", "-") for row in table.rows],
        breaks=[place for place in range(len(table.rows)) if opens_panel(table, place)],
        foot=foot,
        goal=goal,
        note_prefix=note_prefix(table),
    )


def note_prefix(table: Table) -> str:
    """Return what the ids of its footnotes begin with: the study's label as letters, digits and dashes."""
    return re.sub(r"[^0-9A-Za-z]+", "-", table.study).strip("-") + "-note-"
