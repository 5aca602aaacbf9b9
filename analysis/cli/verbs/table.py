"""`bam table`: the conclusions."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analysis.checks.unlisted import Unlisted, unlisted
from analysis.cli.parser import add_studies
from analysis.cli.selection import chosen, looked_at
from analysis.formats import ENDINGS, FORMATS, render
from analysis.formats.data import as_csv
from analysis.formats.latex import unprinted_signs
from analysis.formats.run_lines import run_lines, runs_as_csv, runs_as_json
from analysis.table.build import Table, tabulate
from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError, put_in_place
from studies.coordination.sync import gather_everywhere
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.counts import counts
from studies.records.records import Record
from studies.terminal.text import unfiltered

LINES: Final = {"csv": runs_as_csv, "json": runs_as_json}
"""How `--runs` are written."""
OTHERS: Final = ("pdf", "png", "svg", "jpg", "jpeg", "xlsx", "xls", "ods", "docx", "doc", "odt")
"""Endings of files that no table can be written as."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_studies(parser)
    parser.add_argument("--format", choices=FORMATS, help="how to write it (as FILE ends; else text, with --runs csv)")
    parser.add_argument(
        "--runs",
        action="store_true",
        help="a line a run, for programs, as csv or json: seed, key, state, the knobs in which rows differ, figures",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 if a run failed, 3 if one is missing or was made by another commit, other versions or from "
        "other images than most (other ranks, devices, instructions and threads are marked and no more)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there and not on stdout")


def execute(arguments: argparse.Namespace) -> int:
    """Print a table for each study, or a line for each run."""
    form = arguments.format or form_of(arguments.output)
    if arguments.runs and form not in (None, *LINES):
        raise StudyError(f"--format {form}: --runs are lines for programs; give {' or '.join(LINES)}")
    studies, root = chosen("table", arguments), looked_at(arguments)
    found = [(study, gather_everywhere(study, root, arguments.storage)) for study in studies]
    if arguments.runs:
        tables = [tabulate(records, study) for study, records in found]  # it refuses what is not to be trusted
        put(LINES[form or "csv"](run_lines(found)), arguments.output)
    else:
        tables = concluded(found)
        show(tables, form or "text", arguments.output)
    told = any(study.published for study in studies)  # the paper's figures, before any training
    if arguments.storage is None and not root.exists() and not told:
        print(f"bam: {root}: no such folder, so no run was found; --root DIR names another", file=sys.stderr)
    if not arguments.strict:
        return 0
    if any(table.failed for table in tables):
        return 1
    return 0 if all(table.complete and not table.mixes_code for table in tables) else 3


def form_of(output: str | None) -> str | None:
    """Return the format that the name of a file asks for, or None where it asks for none.

    Raises:
        StudyError: it names one that no table can be written as.

    """
    ending = Path(output or "").suffix[1:].lower()
    if ending in OTHERS:
        known = ", ".join(f".{known}" for known in ENDINGS.values())
        raise StudyError(f"--output {output}: no table is written as .{ending}; end it in {known}, or say --format")
    return next((form for form, known in ENDINGS.items() if known == ending), None)


def conclusions(studies: Sequence[Study], root: Path, url: str | None = None) -> list[Table]:
    """Return each study's table; the costs of rows without a finished run are counted, all in one go."""
    return concluded([(study, gather_everywhere(study, root, url)) for study in studies])


def concluded(found: Sequence[tuple[Study, Sequence[Record]]]) -> list[Table]:
    """Return the table of each study from its records; see `conclusions`."""
    wanted: dict[tuple[str, str], Run] = {}
    for study, records in found:
        finished = {record.row for record in records if record.result is not None}
        wanted |= {(study.label, row): run for row, run in study.rows.items() if row not in finished}
    names = {f"{row}" if len(found) == 1 else f"{label}, {row}": (label, row) for label, row in wanted}
    counted = {names[name]: cost for name, cost in counts({n: wanted[at] for n, at in names.items()}).items()}
    beside = unlisted(found)
    tables = []
    for study, records in found:
        costs = {row: counted[at] for row in study.rows if (at := (study.label, row)) in counted}
        tables.append(tabulate(records, study, costs).beside(beside.get(study.label, Unlisted())))
    return tables


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
    elif form == "tex" and (signs := "".join(dict.fromkeys("".join(map(unprinted_signs, tables))))):
        print(f"bam table: plain pdfLaTeX has no font for {signs}: a ? stands for each", file=sys.stderr)
    if terminal and form == "text":
        print(text, end="", file=unfiltered(sys.stdout))
    else:
        put(text, output)


def put(text: str, output: str | None) -> None:
    """Write to a file, which is replaced whole, or to stdout.

    Raises:
        FolderError: it cannot be written; what was there stays.

    """
    if output is None:
        print(text, end="")
        return
    try:
        with put_in_place(Path(output)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FolderError(f"--output {output or repr(output)}: cannot be written ({error.strerror})") from None
