"""Markdown in a terminal, with nothing left out of narrow tables."""

from rich import console as terminal
from rich.markdown import Markdown, TableElement
from rich.table import Table


class FoldedTable(TableElement):
    """A table whose long words go on in the next line; rich's ends them with an ellipsis."""

    def __rich_console__(self, console: terminal.Console, options: terminal.ConsoleOptions) -> terminal.RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class Page(Markdown):
    """Markdown with such tables."""

    elements = Markdown.elements | {"table_open": FoldedTable}
