"""Aligned lines for a person: folded beside their heads in a terminal, one plain line each elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from studies.terminal.console import Console
from studies.terminal.text import one_line


def put(console: Console, heads: Sequence[tuple[Text | str, int]], rest: Text | str) -> None:
    """Print `rest` behind its heads.

    Args:
        console: where; a pipe gets a single line, however long, that grep and cut can work on.
        heads: each with the width of its column.
        rest: the last column.

    """
    if not console.is_terminal:
        told = "".join(f"{head!s:<{width}}  " for head, width in heads)
        console.print(one_line(f"{told}{rest!s}"), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 2))
    for _, width in heads:
        grid.add_column(width=width, overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_row(
        *(Text(one_line(head)) if isinstance(head, str) else head for head, _ in heads),
        rest if isinstance(rest, Text) else Text(one_line(rest)),
    )
    console.print(grid)
