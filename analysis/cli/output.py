"""What verbs print and write: aligned lines and tables for a person, figures in a folder."""

from __future__ import annotations

import json
import re
import stat
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from analysis.plots.glyphs import missing_glyphs
from lightning_bam.run_folder.files import FolderError, put_in_place, refuse
from studies.terminal.console import Console
from studies.terminal.text import one_line

if TYPE_CHECKING:
    from analysis.plots.plot import Form, NoPlot, Plot


def put(console: Console, heads: Sequence[tuple[Text | str, int]], rest: Text | str) -> None:
    """Print `rest` behind its heads, each as wide as given: folded in a terminal, else in one line for grep and cut."""
    if not console.is_terminal:
        columns = [f"{head!s:<{width}}  " for head, width in heads]
        console.print(one_line(f"{''.join(columns)}{rest!s}"), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    for _, width in heads:
        table.add_column(width=width, overflow="fold")
    table.add_column(overflow="fold")
    cells = (*(head for head, _ in heads), rest)
    table.add_row(*(Text(one_line(cell)) if isinstance(cell, str) else cell for cell in cells))
    console.print(table)


def grid(headings: Iterable[str], text: Container[str] = ()) -> Table:
    """Return an empty table, its columns aligned to the right but for those of `text`, whose cells are folded."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        if heading in text:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right")
    return table


def output_folder(output: str | None, usual: Path) -> Path:
    """Return the folder of --output, or the usual one, which must not be a link; raises FolderError for a file."""
    if output is None:
        refuse(usual, stat.S_IFDIR)
    folder = usual if output is None else Path(output)
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"--output {folder}: is a file; give a folder")
    return folder


def write_figure(figure: Plot, path: Path, form: Form) -> None:
    """Write one figure, not through a link, and make its folder; raises FolderError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with put_in_place(path, follow=False) as temporary, temporary.open("xb") as file:
            file.write(figure.as_bytes(form))
    except OSError as error:
        raise FolderError(f"{path}: cannot be written ({error.strerror})") from None


def write_figures(
    who: str, figures: Iterable[tuple[str, Plot | NoPlot]], folder: Path, label: str, form: Form, *, as_json: bool
) -> tuple[bool, list[str]]:
    """Write each figure as `<label>-<name>.<form>` and print its path, or with its words as JSON.

    Return whether there is one, and a line for each that has nothing to show.
    """
    from analysis.plots.plot import NoPlot

    file_label = re.sub(r"[^A-Za-z0-9_-]", "-", label)  # as \includegraphics takes it
    written, missing = {}, []
    with missing_glyphs() as glyphs:
        for name, figure in figures:
            if isinstance(figure, NoPlot):
                missing.append(one_line(f"{who}: {label}: no {name}: {figure.reason}"))
            else:
                path = folder / f"{file_label}-{figure.name}.{form}"
                write_figure(figure, path, form)
                written[str(path)] = figure
    if glyphs and form != "svg":
        signs = "".join(glyphs)
        print(f"{who}: {label}: matplotlib's font lacks {signs}: a box stands for each", file=sys.stderr)
    if as_json:
        words = ("name", "title", "alt", "caption")
        data = [{"path": path} | {word: getattr(figure, word) for word in words} for path, figure in written.items()]
        print(json.dumps(data, indent=1, ensure_ascii=False))
    else:
        print(*written, sep="\n", end="\n" * bool(written))
    return bool(written), missing


def size(count: int) -> str:
    """Write a number of bytes as `412 kB` or `1.3 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def counted(number: int, noun: str) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{number} {noun}{'s' * (number != 1)}"
