"""The table for a README: GitHub's Markdown, aligned so that it reads as plain text too."""

import re
from collections.abc import Sequence

from rich.cells import cell_len

from analysis.formats.blocks import blocks
from analysis.formats.columns import Columns, FigureColumn, raised
from analysis.formats.legend import Notes, below
from analysis.table.build import Table
from studies.terminal.text import visible


def as_markdown(table: Table, *, notes: Notes = "short", chosen: Sequence[str] = ()) -> str:
    """Return the question, the table and its notes; rows that cannot be told from the best are bold."""
    lines = [f"**{escaped(table.question)}**"]
    for title, columns in blocks(table, chosen):
        lines += ["", f"{escaped(title)}:"] if title else []
        lines += ["", *_grid(columns)]
    lines += [""] + [
        f"- {f'{raised([mark])} ' if mark else ''}{escaped(text)}" for mark, text in below(table, notes, chosen)
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _grid(columns: Columns) -> list[str]:
    written = []
    for column in columns:
        if isinstance(column, FigureColumn):  # figures and states of runs have no sign to escape
            cells = [escaped(column.heading), *(" ".join(cell.split()) for cell in column.printed("**").cells)]
        else:
            cells = [escaped(text) for text in (column.heading, *column.cells)]
        right = column.kind == "number"
        wide = max(3, *map(cell_len, cells))
        padded = [" " * (wide - cell_len(c)) + c if right else c + " " * (wide - cell_len(c)) for c in cells]
        rule = "-" * (wide - 1) + ":" if right else "-" * wide
        written.append([padded[0], rule, *padded[1:]])
    return [f"| {' | '.join(line)} |" for line in zip(*written, strict=True)]


def escaped(text: str) -> str:
    """Write `text` in one line in which Markdown reads no signs of its own; harmless ones may stay."""
    text = re.sub(r"([\\`*|<~$]|\](?=[(\[:]))", r"\\\1", visible(" ".join(text.split())))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
