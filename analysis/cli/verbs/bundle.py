"""`bam bundle`: a study in one file, for a paper's artefact."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from analysis.bundle.anonymous import blind, refuse, where, who
from analysis.bundle.archive import LONG_AGO, SUFFIXES, Content, write
from analysis.bundle.contents import installed, stage, tables, trained_with, weights
from analysis.bundle.readme import readme
from analysis.checks.unlisted import strays
from analysis.cli.again import selection
from analysis.cli.parser import add_margin, add_root, add_selection, add_storage
from analysis.cli.selection import gathered, root_of, selected
from analysis.cli.verbs.report import size
from analysis.cli.verbs.table import concluded
from analysis.table.build import Table
from analysis.verification.verify import verify
from lightning_bam.run_folder.files import FolderError, read_bytes
from studies.definition.study import Cell, Study
from studies.errors import StudyError
from studies.records.purpose import others
from studies.records.records import Record, read
from studies.stopping_rules.declaration import file_of
from studies.workers.import_path import imported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the archive, FILE.tar.gz")
    parser.add_argument("--weights", action="store_true", help="with the last checkpoint of every run")
    parser.add_argument("--anonymous", action="store_true", help="for blind review: no user, host, path, log")
    parser.add_argument("--partial", action="store_true", help="also where runs are missing")
    add_selection(parser)
    add_margin(parser)
    add_root(parser)
    add_storage(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the archive; its name goes to stdout, what is in it to stderr."""
    path = Path(arguments.output)
    if not path.name.endswith(SUFFIXES):
        raise StudyError(f"--output {path}: a bundle is a tar.gz; call it {path.name.partition('.')[0]}.tar.gz")
    study = selected(arguments.study, arguments)
    records = gathered(study, arguments)
    check(study, records, root_of(arguments), partial=arguments.partial)
    with tempfile.TemporaryDirectory(prefix="bam-bundle-") as folder:
        every = [*records, *beside(study, root_of(arguments))]
        ruled, hidden = rule(study, root_of(arguments)), None
        if arguments.anonymous:
            hidden, ruled = blind(study.label, every, ruled)
        files = stage(every, Path(folder), blind=hidden)
        for name, content in ruled.items():  # the table asks the rule that lies beside the runs
            write_to(Path(folder), name.removeprefix("runs/"), content)
        staged = read(study.runs(), Path(folder))
        begun = [record for record in staged if record.state != "missing"]
        (table,) = concluded([(study, staged)])
        complete = sum(record.result is not None for record in staged)
        names = words(arguments)
        text = readme(
            study,
            names,
            complete=complete,
            weights=arguments.weights,
            anonymous=arguments.anonymous,
            made_with=trained_with(begun),
        )
        pins = installed(anonymous=arguments.anonymous)
        files |= {**tables(table), "README.txt": text.encode(), "constraints.txt": pins}
        page = report(study, staged, table, names).replace(folder, "runs")  # where the folders lie in the bundle
        files |= {"report.html": page.encode(), **ruled}
        files |= own_file(arguments.study) if names[0] == "study.py" else {}
        files |= weights(record.folder for record in records) if arguments.weights else {}
        if arguments.anonymous:
            file = Path(arguments.study) if names[0] == "study.py" else None
            refuse(files, who(every), where(root_of(arguments), file))
        written = write(path, re.sub(r"[^\w.+=-]", "_", study.label), files)
    print(path)
    told = f"{len(files) + 1} files of {complete} complete runs, {size(written)}"
    print(f"bam bundle: {told}; README.txt in it says how the table is rebuilt and checked", file=sys.stderr)
    return 0


def check(study: Study, records: Sequence[Record], root: Path, *, partial: bool) -> None:
    """Refuse what should not be published.

    Raises:
        StudyError: runs are missing, or there is none at all.
        FolderError: a record that `bam verify` would name.

    """
    states = Counter(record.state for record in records)
    complete = states.pop("complete", 0)
    if not complete or (states and not partial):
        rest = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        more = ", or --partial bundles what there is" if complete else ""
        how = "`bam run --retry failed` trains them, failed ones again" if states["failed"] else "`bam run` trains them"
        raise StudyError(f"{study.label}: {complete} of {len(records)} runs are complete ({rest}); {how}{more}")
    if problems := verify([study], root).problems:
        rest = f" (and {len(problems) - 1} more: `bam verify`)" if len(problems) > 1 else ""
        raise FolderError(f"not bundled: {problems[0].line}{rest}")


def beside(study: Study, root: Path) -> list[Record]:
    """Return the records of results that were trained for a study and are none of its runs now: its table names them.

    Raises:
        FolderError: a record that cannot be trusted.

    """
    found = others(root, {study.label: {cell.run.key for cell in study.runs()}})[study.label]
    return read([Cell(other.row, other.run) for other in strays(study, found)], root)


def words(arguments: argparse.Namespace) -> list[str]:
    """Return what names the study inside the bundle: its file there or its name in the catalogue, and the options."""
    own = arguments.study.endswith(".py") or "/" in arguments.study
    return ["study.py" if own else arguments.study, *selection(arguments, only=True, root=False)]


def report(study: Study, records: Sequence[Record], table: Table, names: Sequence[str]) -> str:
    """Return the page of the study; it is dated by its last run, so that the same runs give the same page."""
    from analysis.report.page import Made, page

    ended = [record.manifest.ended for record in records if record.manifest.ended]
    when = datetime.fromisoformat(max(ended)) if ended else datetime.fromtimestamp(LONG_AGO, UTC)
    command = shlex.join(["bam", "report", *names])
    made = Made(command=command, version=version("lightning-bam"), root="runs", when=when)
    return page([(study, records)], [table], made)


def rule(study: Study, root: Path) -> dict[str, Content]:
    """Return the declared stopping rule by its name in a bundle, where there is one."""
    path = file_of(root, study)
    return {f"runs/{path.relative_to(root)}": read_bytes(path)} if os.path.lexists(path) else {}


def write_to(folder: Path, name: str, content: Content) -> None:
    """Write a small file of the bundle where its table is made."""
    assert isinstance(content, bytes)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def own_file(name: str) -> dict[str, Content]:
    """Return the user's study file by its name in a bundle, and what lies beside it that it imports."""
    home = Path(name).resolve().parent
    beside: dict[str, Content] = {path.relative_to(home).as_posix(): path.read_bytes() for path in imported(Path(name))}
    return beside | {"study.py": Path(name).read_bytes()}
