"""`bam table`: the conclusions."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from analysis.cli.parser import add_root, add_selection
from analysis.cli.selection import root_of, selected
from analysis.formats import FORMATS, render
from analysis.formats.data import as_csv
from analysis.table import Table, tabulate
from lightning_bam.files import FolderError
from studies.counting import counts
from studies.records import gather
from studies.study import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", nargs="+", help="a name of the catalogue, or a Python file that defines STUDY")
    add_selection(parser)
    add_root(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to write it (text)")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if a run is missing, 1 if one failed")
    parser.add_argument("--output", metavar="FILE", help="write there and not on stdout")


def execute(arguments: argparse.Namespace) -> int:
    """Print a table for each study."""
    tables = [conclusions(selected(name, arguments), root_of(arguments)) for name in arguments.study]
    show(tables, arguments.format, arguments.output)
    if not arguments.strict:
        return 0
    if any(table.failed for table in tables):
        return 1
    return 0 if all(table.complete for table in tables) else 3


def conclusions(study: Study, root: Path) -> Table:
    """Return the study's table; the costs of rows without a finished run are counted."""
    records = gather(study, root)
    finished = {record.row for record in records if record.result is not None}
    costs = counts({row: run for row, run in study.rows.items() if row not in finished})
    return tabulate(records, study, {row: (cost.params, cost.macs) for row, cost in costs.items()})


def show(tables: list[Table], form: str, output: str | None) -> None:
    """Write tables to a file or to stdout; text to a terminal is coloured and as wide as it."""
    terminal = output is None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else 100
    rendered = [render(table, form, width=width, color=terminal) for table in tables]
    text = "\n".join(rendered)
    if form == "json" and len(rendered) > 1:
        text = "[\n" + ",\n".join(one.rstrip("\n") for one in rendered) + "\n]\n"
    elif form == "csv":
        text = as_csv(*tables)
    if output is None:
        print(text, end="")
        return
    try:
        Path(output).write_text(text)
    except OSError as error:
        raise FolderError(f"--output {output}: cannot be written ({error.strerror})") from None
