"""Rich's console for text that is not ours: markup in it is printed as it stands, control signs as their escapes."""

import os
from collections.abc import Iterable
from typing import Any, Final

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from studies.terminal.text import visible

PAGE: Final = 100
"""Columns of a page that no terminal sets."""


class Console(rich.console.Console):
    """A console whose escape sequences are all its own; a file or a pipe gets `PAGE` columns, as of tables.

    So does a notebook, and plain lines: rich would show each of them as an HTML page of its own.
    """

    def __init__(self, **options: Any) -> None:
        options = {"markup": False, "emoji": False, "highlight": False} | options
        super().__init__(**options)
        if self.is_jupyter:
            plain: dict[str, Any] = {"force_jupyter": False, "force_terminal": False}
            super().__init__(**plain | options)
        if not self.is_terminal and not {"width"} & {*options} and "COLUMNS" not in os.environ:
            self.width = PAGE

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render: a text before it is folded, and, whatever else there is, each piece."""
        if isinstance(renderable, Text) and (plain := visible(renderable.plain)) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = plain
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(visible(piece.text), piece.style)
