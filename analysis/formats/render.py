"""A table as text, Markdown, CSV, JSON, LaTeX or HTML."""

from collections.abc import Callable
from typing import Final

from analysis.formats.data import as_csv, as_json
from analysis.formats.html import as_html
from analysis.formats.latex import as_latex
from analysis.formats.markdown import as_markdown
from analysis.formats.text import as_text
from analysis.table.build import Table

WRITERS: Final[dict[str, Callable[[Table], str]]] = {
    "text": as_text,
    "md": as_markdown,
    "csv": as_csv,
    "json": as_json,
    "tex": as_latex,
    "html": as_html,
}
FORMATS: Final = tuple(WRITERS)
"""The names that `render` takes."""
ENDINGS: Final = {form: "txt" if form == "text" else form for form in FORMATS}
"""How the name of each format's file ends."""


def render(table: Table, form: str, *, width: int = 100, color: bool = False) -> str:
    """Write a table out in one of the `FORMATS`, ending in a newline; CSV and JSON have full precision.

    Text is for a terminal of `width` columns, wider rather than cut, with its colour codes with `color`.
    """
    if form not in WRITERS:
        raise ValueError(f"format {form!r}: choose from {', '.join(FORMATS)}")
    return as_text(table, width=width, color=color) if form == "text" else WRITERS[form](table)
