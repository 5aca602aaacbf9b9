"""A table as text, Markdown, CSV, JSON, LaTeX or HTML."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from analysis.formats.data import as_csv, as_json
from analysis.formats.html import as_html
from analysis.formats.latex import as_latex
from analysis.formats.legend import Notes
from analysis.formats.markdown import as_markdown
from analysis.formats.text import as_text
from analysis.table.build import Table

READ: Final[dict[str, Callable[..., str]]] = {"text": as_text, "md": as_markdown, "tex": as_latex, "html": as_html}
"""The formats that are made for reading, with notes below the table."""
FORMATS: Final = ("text", "md", "csv", "json", "tex", "html")
"""The names that `render` takes."""
ENDINGS: Final = {form: "txt" if form == "text" else form for form in FORMATS}
"""How the name of each format's file ends."""


def render(table: Table, form: str, *, notes: Notes = "short", chosen: Sequence[str] = (), **page: Any) -> str:
    """Write a table out in one of the `FORMATS`, ending in a newline; CSV and JSON have full precision and all notes.

    `notes` is how much the others say below the table (see `below`). Where columns are `chosen`, by the names that CSV
    has, it has these alone, for reading behind the rows' names; JSON has all. `page` is what the format takes beside:
    `as_text` its width, `as_latex` a label.
    """
    if form not in FORMATS:
        raise ValueError(f"format {form!r}: choose from {', '.join(FORMATS)}")
    if form == "json":
        return as_json(table)
    if form == "csv":
        return as_csv(table, chosen=chosen)
    return READ[form](table, notes=notes, chosen=chosen, **page)
