"""`bam table`: the conclusions."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from analysis.cli.arguments import ANY_STUDIES, FINDINGS, argument, checked
from analysis.cli.commands import tell_empty
from analysis.cli.selection import against, read_all
from analysis.cli.source import source
from analysis.formats.blocks import check_columns
from analysis.formats.data import as_csv
from analysis.formats.latex import unprinted_signs
from analysis.formats.legend import NOTES, Notes
from analysis.formats.render import ENDINGS, FORMATS, render
from analysis.formats.run_lines import run_lines, runs_as_csv, runs_as_json
from analysis.table.build import Table, tabulate
from analysis.table.counted import tables_of
from lightning_bam.run_folder.files import replace as put_file
from studies.errors import StudyError
from studies.terminal.console import PAGE
from studies.terminal.text import unfiltered

LINES: Final = {"csv": runs_as_csv, "json": runs_as_json}
"""How `--runs` are written."""
OTHERS: Final = ("pdf", "png", "svg", "jpg", "jpeg", "xlsx", "xls", "ods", "docx", "doc", "odt")
"""Endings of files that no table can be written as."""


def _caption(text: str) -> str:
    """Return a caption; ArgumentTypeError for one that LaTeX would not read to its end."""
    bare, depth = re.sub(r"\\.", "", text), [0]
    for sign in bare:
        depth.append(depth[-1] + {"{": 1, "}": -1}.get(sign, 0))
    if depth[-1] or min(depth) < 0 or bare.endswith("\\"):
        raise argparse.ArgumentTypeError(f"{text!r}: LaTeX wants a }} for each {{, and no \\ at the end")
    if unescaped := re.search("[%&#]", bare):
        raise argparse.ArgumentTypeError(f"{text!r}: a caption is LaTeX: write \\{unescaped[0]} for {unescaped[0]}")
    if not text.strip() or "\n" in text:
        raise argparse.ArgumentTypeError(f"{text!r}: give a caption in one line")
    return text


ARGUMENTS = (
    *ANY_STUDIES,
    argument("--format", choices=FORMATS, help="how to write it (as FILE ends; else text, with --runs csv)"),
    argument(
        "--cost",
        action="store_true",
        help="what rows have cost, too: images/s in training, latency of an image, GPU memory, device-hours "
        "(csv and json always have them)",
    ),
    argument(
        "--against", metavar="ROW", help="compare with this row of the study; p is adjusted for all pairs of its rows"
    ),
    argument(
        "--notes",
        choices=NOTES,
        default="short",
        help="what to say below the table: what to beware of and how to read it; all, also how the runs were made and "
        "every fixed knob; or none (short; CSV and JSON have all)",
    ),
    argument(
        "--columns",
        type=checked(
            lambda text: [name.strip() for name in text.split(",")], "names of columns, as row,delta,verdict", all
        ),
        metavar="NAME,...",
        help="these columns alone, by the names that the CSV has: row,error_top1_mean,delta,verdict (a mean has its "
        "deviation and n with it, delta its interval; a table for reading begins with the row; not json)",
    ),
    argument(
        "--label",
        type=checked(
            str, "letters, digits and : . _ + / - alone", lambda text: bool(re.fullmatch(r"[A-Za-z0-9:._+/-]+", text))
        ),
        metavar="NAME",
        help="LaTeX's \\label of the table, as tab:reduction (of its second float tab:reduction-2)",
    ),
    argument("--caption", type=_caption, metavar="TEXT", help="LaTeX's \\caption in place of the question, as LaTeX"),
    argument(
        "--runs",
        action="store_true",
        help="a line a run, for programs, as csv or json: seed, key, state, the knobs in which rows differ, figures",
    ),
    argument(
        "--strict",
        action="store_true",
        help="exit with 1 if a run failed, 3 if one is missing or was made by another commit, other versions or from "
        "other images than most (other ranks, devices, instructions and threads are marked and no more)",
    ),
    argument(
        "--from",
        dest="source",
        metavar="wandb:ENTITY/PROJECT",
        help="the runs that W&B has, and on stderr where --root disagrees (with --strict exit with 3)",
    ),
    FINDINGS,
    argument("-o", "--output", metavar="FILE", help="write there and not on stdout"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Print a table for each study, or a line for each run."""
    ending = Path(arguments.output or "").suffix[1:].lower()
    form = arguments.format or next((form for form, name in ENDINGS.items() if name == ending), None)
    if form is None and ending in OTHERS:
        usual = ", ".join(f".{name}" for name in ENDINGS.values())
        raise StudyError(
            f"--output {arguments.output}: no table is written as .{ending}; end it in {usual}, or say --format"
        )
    if arguments.runs and form not in (None, *LINES):
        raise StudyError(f"--format {form}: --runs are lines for programs; give {' or '.join(LINES)}")
    if arguments.runs and arguments.against is not None:
        raise StudyError(f"--against {arguments.against}: --runs compares nothing; leave one of them out")
    _check_page(arguments, form)
    with source("table", arguments) as (calls, agree):
        return _write(calls, form, agree=agree)


def _write(calls: list[argparse.Namespace], form: str | None, *, agree: bool) -> int:
    studies = [read for call in calls for read in read_all("table", call)]
    arguments = calls[0]
    if arguments.against is not None:
        studies = [against(study, records, arguments.against) for study, records in studies]
    if arguments.runs:
        made = [tabulate(records, study) for study, records in studies]  # it refuses what is not to be trusted
        put(LINES[form or "csv"](run_lines(studies)), arguments.output)
    else:
        made = [replace(table, shows_costs=arguments.cost) for table in tables_of(studies)]
        chosen = check_columns(arguments.columns, made) if arguments.columns else []
        page = {name: text for name in ("label", "caption") if (text := getattr(arguments, name))}
        show(made, form or "text", arguments.output, arguments.notes, chosen, **page)
    printed = any(study.published for study, _ in studies)  # the paper's figures, before any training
    tell_empty("table", studies, arguments, folder=not printed)
    if not arguments.strict:
        return 0
    if any(table.failed for table in made):
        return 1
    return 0 if agree and all(table.complete and not table.mixes_code for table in made) else 3


def _check_page(arguments: argparse.Namespace, form: str | None) -> None:
    """Refuse what the format has no place for, before a minute of reading."""
    for name in ("label", "caption"):
        if (text := getattr(arguments, name)) and form != "tex":
            raise StudyError(f"--{name} {text}: LaTeX alone has one; give --format tex")
        if text and (arguments.all or len(arguments.study) > 1):
            raise StudyError(f"--{name} {text}: is that of one table; name one study")
    if arguments.columns and (form == "json" or arguments.runs):
        all_of = "--runs have" if arguments.runs else "JSON has"
        raise StudyError(f"--columns {','.join(arguments.columns)}: {all_of} all columns; leave it out")


def show(
    tables: list[Table],
    form: str,
    output: str | None,
    notes: Notes = "short",
    chosen: Sequence[str] = (),
    **page: Any,
) -> None:
    """Write tables to a file or to stdout; text is as wide as the terminal or as COLUMNS says, in a terminal coloured.

    `page` is what `render` takes for that format.
    """
    terminal = output is None and sys.stdout.isatty()
    if form == "text":
        fits = terminal or (output is None and "COLUMNS" in os.environ)
        width = shutil.get_terminal_size((PAGE, 0)).columns if fits else PAGE
        page = {"width": width, "whole": not fits, "color": terminal}
    if form == "csv":
        put(as_csv(*tables, chosen=chosen), output)
        return
    texts = [render(table, form, notes=notes, chosen=chosen, **page) for table in tables]
    text = "\n".join(texts)
    if form == "json" and len(texts) > 1:
        text = "[\n" + ",\n".join(one.rstrip("\n") for one in texts) + "\n]\n"
    elif form == "tex" and (
        signs := "".join(dict.fromkeys("".join(unprinted_signs(table, notes=notes) for table in tables)))
    ):
        print(f"bam table: plain pdfLaTeX has no font for {signs}: a ? stands for each", file=sys.stderr)
    if terminal and form == "text":
        print(text, end="", file=unfiltered(sys.stdout))
    else:
        put(text, output)


def put(text: str, output: str | None) -> None:
    """Write to a file, which is replaced whole or stays as it was, or to stdout."""
    if output is None:
        print(text, end="")
    else:
        put_file(output, text, follow=True)
