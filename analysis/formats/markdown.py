"""The table for a README: GitHub's Markdown, aligned so that it reads as plain text too."""

from __future__ import annotations

import re

from rich.cells import cell_len

from analysis.formats.columns import columns
from analysis.formats.legend import legend
from analysis.table import Table


def as_markdown(table: Table) -> str:
    """Return the question, the table and its notes."""
    written = []
    for column in columns(table):
        right = column.kind == "number"
        cells = [escaped(" ".join(text.split())) for text in (column.heading, *column.cells)]
        wide = max(3, *map(cell_len, cells))
        padded = [" " * (wide - cell_len(c)) + c if right else c + " " * (wide - cell_len(c)) for c in cells]
        rule = "-" * (wide - 1) + ":" if right else "-" * wide
        written.append([padded[0], rule, *padded[1:]])
    lines = [f"| {' | '.join(line)} |" for line in zip(*written, strict=True)]
    notes = [f"- {escaped(note)}" for note in [*table.notes, *legend(table)]]
    return "\n".join([f"**{escaped(table.question)}**", "", *lines, "", *notes]) + "\n"


def escaped(text: str) -> str:
    """Keep Markdown from reading signs of its own into `text`; underscores within words may stay."""
    text = re.sub(r"([\\`*|<~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
