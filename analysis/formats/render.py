"""A table as text, Markdown, CSV, JSON, LaTeX or HTML."""

from collections.abc import Callable
from typing import Final

from analysis.formats.data import as_csv, as_json
from analysis.formats.html import as_html
from analysis.formats.latex import as_latex
from analysis.formats.legend import Notes
from analysis.formats.markdown import as_markdown
from analysis.formats.text import as_text
from analysis.table.build import Table

READ: Final[dict[str, Callable[..., str]]] = {"text": as_text, "md": as_markdown, "tex": as_latex, "html": as_html}
"""The formats that are made for reading, with notes below the table."""
COMPUTED: Final[dict[str, Callable[[Table], str]]] = {"csv": as_csv, "json": as_json}
FORMATS: Final = ("text", "md", "csv", "json", "tex", "html")
"""The names that `render` takes."""
ENDINGS: Final = {form: "txt" if form == "text" else form for form in FORMATS}
"""How the name of each format's file ends."""


def render(table: Table, form: str, *, notes: Notes = "short", width: int = 100, color: bool = False) -> str:
    """Write a table out in one of the `FORMATS`, ending in a newline; CSV and JSON have full precision and all notes.

    `notes` is how much the others say below the table (see `below`). Text is for a terminal of `width` columns, wider
    rather than cut, with its colour codes with `color`.
    """
    if form not in FORMATS:
        raise ValueError(f"format {form!r}: choose from {', '.join(FORMATS)}")
    if form in COMPUTED:
        return COMPUTED[form](table)
    page = {"width": width, "color": color} if form == "text" else {}
    return READ[form](table, notes=notes, **page)
