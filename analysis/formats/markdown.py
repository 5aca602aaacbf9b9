"""The table for a README: GitHub's Markdown, aligned so that it reads as plain text too."""

from __future__ import annotations

import re

from rich.cells import cell_len

from analysis.formats.blocks import Block, blocks, bold
from analysis.formats.columns import marked, raised
from analysis.formats.legend import below
from analysis.table.build import Table
from studies.terminal.text import visible


def as_markdown(table: Table) -> str:
    """Return the question, the table and its notes; each panel's best row is bold if it is resolved to be better."""
    lines = [f"**{escaped(table.question)}**"]
    for block in blocks(table):
        lines += ["", f"{escaped(block.title)}:"] if block.title else []
        lines += ["", *_grid(table, block)]
    notes = [f"- {f'{raised([mark])} ' if mark else ''}{escaped(note)}" for mark, note in below(table)]
    return "\n".join([*lines, "", *notes]) + "\n"


def _grid(table: Table, block: Block) -> list[str]:
    written = []
    for number, column in enumerate(map(marked, block.columns)):
        right = column.kind == "number"
        cells = [escaped(" ".join(text.split())) for text in (column.heading, *column.cells)]
        for place, mean in bold(table, block).items() if number == block.figures else ():
            cells[place + 1] = cells[place + 1].replace(mean, f"**{mean}**", 1)
        wide = max(3, *map(cell_len, cells))
        padded = [" " * (wide - cell_len(c)) + c if right else c + " " * (wide - cell_len(c)) for c in cells]
        rule = "-" * (wide - 1) + ":" if right else "-" * wide
        written.append([padded[0], rule, *padded[1:]])
    return [f"| {' | '.join(line)} |" for line in zip(*written, strict=True)]


def escaped(text: str) -> str:
    """Keep Markdown from reading signs of its own into `text`; underscores within words may stay.

    A bracket may, too, unless a link, a picture or a link's definition could end in it.
    """
    text = re.sub(r"([\\`*|<~$]|\](?=[(\[:]))", r"\\\1", visible(" ".join(text.split())))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
