"""What a runs folder knows of studies, as commands: the table of each, from what its records keep or its label says."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from analysis.cli.selection import root_of, root_words
from analysis.cli.variants import names_for
from analysis.findings.kept import findings
from lightning_bam.config import ConfigError
from studies.definition.study import Study
from studies.errors import StudyError
from studies.library import catalogue, is_file
from studies.records.inventory import KnownStudy, known_studies, of_name
from studies.records.records import Record

FILE: Final = "FILE.py"
"""What stands for a study's file that no record names."""
MOST: Final = 8
"""Variants of a study that are named; of more `bam list` tells."""


def table_of(known: KnownStudy, arguments: argparse.Namespace) -> str:
    """Return the command that prints the table of a study, with what is to be put in where no record says which file.

    Empty for a search, which has none.
    """
    if known.label.startswith("search+"):
        return ""
    name, *options = known.asked or from_label(known.label)
    line = ["bam", "table", _near(name), *options, *root_words(arguments)]
    return shlex.join(line)


def lacks_file(known: KnownStudy) -> str:
    """Say what the command of `table_of` lacks: a file that no record names, or that is where it was no more."""
    name = next(iter(known.asked or from_label(known.label)))
    if not is_file(name) or known.label.startswith("search+"):
        return ""
    if not known.asked:
        return f"{FILE} stands for the study's file, which these records do not name"
    return "" if Path(name).is_file() else f"{name} is there no more; name the file where it is now"


def notes_of(known: KnownStudy, arguments: argparse.Namespace) -> list[str]:
    """Return what is to be known beside the command of `table_of`: its name for --as, a file that it lacks."""
    pairs = zip(known.asked[1::2], known.asked[2::2], strict=False)
    options = [word for option, value in pairs if option in ("--preset", "--set") for word in (option, value)]
    names = names_for(root_of(arguments), known.label.partition("+")[0], options) if options else []
    return [*(f"--as {name}" for name in names), *filter(None, [lacks_file(known)])]


def elsewhere(studies: Sequence[tuple[Study, Sequence[Record]]], arguments: argparse.Namespace) -> list[str]:
    """Say for each study of which no run has begun what of it the runs folder has, under which options."""
    empty = [study for study, records in studies if all(record.state == "missing" for record in records)]
    known, lines = known_studies(root_of(arguments)) if empty else [], []
    kept = findings() if empty else {}
    for study in empty:
        if study.name in kept:
            shown = f"`bam table {study.name} --findings`"
            lines.append(f"{study.label}: none of its runs has begun; {shown} has what this project has found")
        if others := of_name(study.name, known):
            lines.append(f"{study.label}: none of its runs has begun; the runs folder has others of {study.name!r}:")
        for other in others[:MOST]:
            states = ", ".join(f"{count} {state}" for state, count in other.states.most_common())
            same = ["of other seeds, settings or code"] if other.label == study.label else []
            notes = "; ".join([states, *same, *notes_of(other, arguments)])
            lines.append(f"  {table_of(other, arguments)}  ({notes})")
        lines += [f"  and {len(others) - MOST} more: `bam list`"] if len(others) > MOST else []
    return lines


def tell_empty(
    verb: str, studies: Sequence[tuple[Study, Sequence[Record]]], arguments: argparse.Namespace, *, folder: bool = True
) -> None:
    """Say on stderr why a page is empty: there is no runs folder (if `folder` is to be told), or it has other runs."""
    root = root_of(arguments)
    if folder and arguments.storage is None and not root.exists():
        print(f"bam: {root}: no such folder, so no run was found; --root DIR names another", file=sys.stderr)
    for line in elsewhere(studies, arguments) if not arguments.all else ():
        print(f"bam {verb}: {line}" if not line.startswith(" ") else line, file=sys.stderr)


def from_label(label: str) -> tuple[str, ...]:
    """Return the words that ask a study of this label: of the catalogue with its preset and settings, else a file."""
    name, *variant = label.split("+")
    options = [word for text in variant for word in (("--set", text) if "=" in text else ("--preset", text))]
    if study := catalogue().get(name):
        settings = dict(text.split("=", 1) for text in variant if "=" in text)
        with suppress(StudyError, ConfigError):
            for preset in (text for text in variant if "=" not in text):
                study = study.at(preset)
            if study.override(settings).label == label:
                return (name, *options)
    return (FILE, *options)


def _near(name: str) -> str:
    """Return a file's path from the working folder where it lies in that, else as it is."""
    here = Path(os.path.relpath(name)) if is_file(name) and Path(name).is_absolute() else None
    near = here is not None and ".." not in here.parts and here.suffix == ".py"
    return str(here) if near else name
