"""The files of a study's bundle: its runs and rules, its table in every format, its page, its file and what it uses."""

import json
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from analysis.bundle.anonymous import blind, refuse, where, who
from analysis.bundle.archive import LONG_AGO, Content, installed, stage
from analysis.bundle.readme import readme
from analysis.checks.unlisted import strays
from analysis.formats.render import ENDINGS, FORMATS, render
from analysis.report.page import Made, page
from analysis.report.provenance import provenance
from analysis.table.build import Table
from analysis.table.counted import tables_of
from analysis.verification.verify import verify
from lightning_bam.run_folder.files import FolderError, read_bytes
from lightning_bam.run_folder.hashes import CHECKPOINT
from lightning_bam.user_code import keep
from lightning_bam.user_code.imports import imported
from studies.definition.study import Cell, Study
from studies.errors import StudyError
from studies.records.purpose import others
from studies.records.records import Record
from studies.records.records import read as read_records
from studies.records.removal import FILE as REMOVED
from studies.records.removal import removed
from studies.stopping_rules.declaration import other_attempts, path_of


@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """What a bundle is asked to hold: the study's own file, if it has one, and whether logs and weights.

    `words` are those that name the study and its scale in a command beside the unpacked bundle.
    """

    words: Sequence[str]
    own: Path | None = None
    weights: bool = False
    anonymous: bool = False
    logs: bool = True


def contents(
    study: Study, records: Sequence[Record], root: Path, folder: Path, options: BundleOptions
) -> tuple[dict[str, Content], int]:
    """Return the files of a bundle by name, with copies of the runs in the empty `folder`, and how many are complete.

    FolderError: what an anonymous one would give away.
    """
    dropped = strays(study, others(root, {study.label: {cell.run.key for cell in study.runs()}})[study.label])
    every = [*records, *read_records([Cell(other.row, other.run) for other in dropped], root)]  # the table's notes
    rules, anonymous = _rules(study, root, anonymous=options.anonymous), None
    if options.anonymous:
        anonymous, rules = blind(study.label, every, rules)
    if gone := removed(root, study.label):
        rules |= {f"runs/{REMOVED}": "".join(json.dumps(one) + "\n" for one in gone).encode()}
    files = stage(every, folder, blind=anonymous, logs=options.logs)
    for name, content in rules.items():  # the table reads the rules, and what was removed, beside the runs
        path_of_rule = Path(folder, name.removeprefix("runs/"))
        path_of_rule.parent.mkdir(exist_ok=True)
        path_of_rule.write_bytes(content)
    staged = read_records(study.runs(), folder)
    (table,) = tables_of([(study, staged)])
    complete = sum(record.result is not None for record in staged)
    text = readme(
        study,
        list(options.words),
        complete=complete,
        weights=options.weights,
        anonymous=options.anonymous,
        made_with=provenance(staged),
    )
    shown = report(study, staged, table, options.words).replace(str(folder), "runs")  # where they lie in the bundle
    files |= {f"table.{ENDINGS[form]}": render(table, form).encode() for form in FORMATS} | rules
    files |= {"README.txt": text.encode(), "report.html": shown.encode()}
    files["constraints.txt"] = installed(anonymous=options.anonymous)
    if options.own:
        files |= _own_files(study, options.own)
    if options.weights:
        folders = [record.folder for record in records if record.folder.has_checkpoint]
        files |= {f"runs/{kept.path.name}/{CHECKPOINT}": kept.checkpoint for kept in folders}
    if options.anonymous:
        refuse(files, who(every), where(root, options.own))
    return files, complete


def _rules(study: Study, root: Path, *, anonymous: bool) -> dict[str, bytes]:
    """Return the files of the rules that stop rows of a study; an anonymous bundle names no other study."""
    also = [] if anonymous else other_attempts(study, root)
    judges = [study.label, *(attempt.study for attempt in also)]
    declared = [file for label in judges if os.path.lexists(file := path_of(root, label))]
    return {f"runs/{file.relative_to(root)}": read_bytes(file) for file in declared}


def _own_files(study: Study, own: Path) -> Mapping[str, bytes]:
    """Return the file that defines a study, and those beside it that it uses."""
    home = own.resolve().parent
    used = {Path(home, name) for row in study.rows.values() for name in keep.files_of(row, home)}
    beside = {*imported(own), *used} - {own.resolve()}
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in beside} | {"study.py": own.read_bytes()}


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
    return page([(study, records)], [table], made_of(records, line))


def made_of(records: Sequence[Record], line: Sequence[str]) -> Made:
    """Return how a page is made of these runs, beside which it says nothing of this machine or moment."""
    ends = [record.manifest.ended for record in records if record.manifest.ended]
    when = datetime.fromisoformat(max(ends)) if ends else datetime.fromtimestamp(LONG_AGO, UTC)
    command = shlex.join(["bam", "report", *line])
    return Made(command=command, version=version("lightning-bam"), root="runs", when=when)
