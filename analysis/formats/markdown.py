"""The table for a README: GitHub's Markdown, aligned so that it reads as plain text too."""

from __future__ import annotations

import re

from rich.cells import cell_len

from analysis.formats.blocks import Block, blocks
from analysis.formats.legend import legend
from analysis.table import Table


def as_markdown(table: Table) -> str:
    """Return the question, the table and its notes."""
    lines = [f"**{escaped(table.question)}**"]
    for block in blocks(table):
        lines += ["", f"{escaped(block.title)}:"] if block.title else []
        lines += ["", *_grid(block)]
    notes = [f"- {escaped(note)}" for note in [*table.notes, *legend(table)]]
    return "\n".join([*lines, "", *notes]) + "\n"


def _grid(block: Block) -> list[str]:
    written = []
    for column in block.columns:
        right = column.kind == "number"
        cells = [escaped(" ".join(text.split())) for text in (column.heading, *column.cells)]
        wide = max(3, *map(cell_len, cells))
        padded = [" " * (wide - cell_len(c)) + c if right else c + " " * (wide - cell_len(c)) for c in cells]
        rule = "-" * (wide - 1) + ":" if right else "-" * wide
        written.append([padded[0], rule, *padded[1:]])
    return [f"| {' | '.join(line)} |" for line in zip(*written, strict=True)]


def escaped(text: str) -> str:
    """Keep Markdown from reading signs of its own into `text`; underscores within words may stay."""
    text = re.sub(r"([\\`*|<~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
