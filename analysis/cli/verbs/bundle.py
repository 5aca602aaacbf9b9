"""`bam bundle`: a study in one file, for a paper's artefact."""

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
from analysis.bundle.archive import LONG_AGO, SUFFIXES, installed, stage, write
from analysis.bundle.readme import readme
from analysis.checks.unlisted import strays
from analysis.cli.arguments import ONE_STUDY, argument
from analysis.cli.selection import read, root_of, words
from analysis.cli.verbs.report import size
from analysis.cli.verbs.table import tables_of
from analysis.formats.render import ENDINGS, FORMATS, render
from analysis.report.provenance import provenance
from analysis.table.build import Table
from analysis.verification.verify import verify
from lightning_bam.run_folder.files import FolderError, read_bytes
from lightning_bam.run_folder.hashes import CHECKPOINT
from lightning_bam.user_code import keep
from lightning_bam.user_code.imports import imported
from studies.definition.study import Cell, Study
from studies.errors import StudyError
from studies.library import is_file
from studies.records.purpose import others
from studies.records.records import Record
from studies.records.records import read as read_records
from studies.stopping_rules.declaration import other_attempts, path_of

ARGUMENTS = (
    *ONE_STUDY,
    argument("-o", "--output", required=True, metavar="FILE", help="the archive, FILE.tar.gz"),
    argument("--weights", action="store_true", help="with the last checkpoint of every run"),
    argument("--anonymous", action="store_true", help="for blind review: no user, host, path, log"),
    argument("--partial", action="store_true", help="also where runs are missing"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write the archive; its name goes to stdout, what is in it to stderr."""
    path, root = Path(arguments.output), root_of(arguments)
    if not path.name.endswith(SUFFIXES):
        raise StudyError(f"--output {path}: a bundle is a tar.gz; call it {path.name.partition('.')[0]}.tar.gz")
    study, records = read(arguments)
    check(study, records, root, partial=arguments.partial)
    own = Path(arguments.study) if is_file(arguments.study) else None
    line = ["study.py" if own else arguments.study, *words(arguments, root=False)]
    with tempfile.TemporaryDirectory(prefix="bam-bundle-") as folder:
        dropped = strays(study, others(root, {study.label: {cell.run.key for cell in study.runs()}})[study.label])
        every = [*records, *read_records([Cell(other.row, other.run) for other in dropped], root)]  # the table's notes
        also, anonymous = [] if arguments.anonymous else other_attempts(study, root), None  # they name other studies
        judges = [study.label, *(attempt.study for attempt in also)]
        declared = [file for label in judges if os.path.lexists(file := path_of(root, label))]
        rules = {f"runs/{file.relative_to(root)}": read_bytes(file) for file in declared}
        if arguments.anonymous:
            anonymous, rules = blind(study.label, every, rules)
        files = stage(every, Path(folder), blind=anonymous)
        for name, content in rules.items():  # the table reads the rules that lie beside the runs
            path_of_rule = Path(folder, name.removeprefix("runs/"))
            path_of_rule.parent.mkdir(exist_ok=True)
            path_of_rule.write_bytes(content)
        staged = read_records(study.runs(), Path(folder))
        (table,) = tables_of([(study, staged)])
        complete = sum(record.result is not None for record in staged)
        text = readme(
            study,
            line,
            complete=complete,
            weights=arguments.weights,
            anonymous=arguments.anonymous,
            made_with=provenance(staged),
        )
        page = report(study, staged, table, line).replace(folder, "runs")  # where the folders lie in the bundle
        files |= {f"table.{ENDINGS[form]}": render(table, form).encode() for form in FORMATS} | rules
        files |= {"README.txt": text.encode(), "report.html": page.encode()}
        files["constraints.txt"] = installed(anonymous=arguments.anonymous)
        if own:
            home = own.resolve().parent
            used = {Path(home, name) for row in study.rows.values() for name in keep.files_of(row, home)}
            files |= {
                path.relative_to(home).as_posix(): path.read_bytes()
                for path in {*imported(own), *used} - {own.resolve()}
            }
            files["study.py"] = own.read_bytes()
        if arguments.weights:
            folders = [record.folder for record in records if record.folder.has_checkpoint]
            files |= {f"runs/{kept.path.name}/{CHECKPOINT}": kept.checkpoint for kept in folders}
        if arguments.anonymous:
            refuse(files, who(every), where(root, own))
        length = write(path, re.sub(r"[^\w.+=-]", "_", study.label), files)
    print(path)
    summary = f"{len(files) + 1} files of {complete} complete runs, {size(length)}"
    print(f"bam bundle: {summary}; README.txt in it says how the table is rebuilt and checked", file=sys.stderr)
    return 0


def check(study: Study, records: Sequence[Record], root: Path, *, partial: bool) -> None:
    """Raise StudyError where runs are missing, and FolderError for a record that `bam verify` would name."""
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


def report(study: Study, records: Sequence[Record], table: Table, line: Sequence[str]) -> str:
    """Return the page of the study; it is dated by its last run, so that the same runs give the same page."""
    from analysis.report.page import Made, page

    ends = [record.manifest.ended for record in records if record.manifest.ended]
    when = datetime.fromisoformat(max(ends)) if ends else datetime.fromtimestamp(LONG_AGO, UTC)
    command = shlex.join(["bam", "report", *line])
    made = Made(command=command, version=version("lightning-bam"), root="runs", when=when)
    return page([(study, records)], [table], made)
