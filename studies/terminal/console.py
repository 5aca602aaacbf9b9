"""Rich's console for text that is not ours: markup in it is printed as it stands, control signs as their escapes."""

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from studies.terminal.text import visible


class Console(rich.console.Console):
    """A console whose escape sequences are all its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render: a text before it is folded, and, whatever else there is, each piece."""
        if isinstance(renderable, Text) and (plain := visible(renderable.plain)) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = plain
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(visible(piece.text), piece.style)
