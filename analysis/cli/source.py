"""Where the runs of a call are read from: --root, with --findings the package, with --from a project of W&B.

What W&B has is held against --root.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from analysis.cli.selection import existing_root, names, select
from analysis.findings.kept import find, findings
from lightning_bam.run_folder.files import FolderError
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.purpose import others, purpose
from studies.records.records import gather
from studies.stopping_rules.declaration import copy_rules, file_of, read_rule

if TYPE_CHECKING:
    from studies.tracking.remote import Project, RemoteRun

SHOWN: Final = 10
"""Disagreements with W&B that are listed; the others are counted."""


@contextmanager
def source(verb: str, arguments: argparse.Namespace) -> Iterator[tuple[list[argparse.Namespace], bool]]:
    """Yield the calls to read by, and whether W&B and --root agree: with --from one whose runs folder W&B has filled.

    What W&B has not, what is refused and what disagrees is said on stderr.
    """
    if arguments.findings:
        with of_findings(arguments) as calls:
            yield calls, True
        return
    if arguments.source is None:
        yield [arguments], True
        return
    from studies.tracking.remote import Project, fetch  # loads HTTP

    project, root = Project.of(arguments.source), existing_root(arguments)
    studies = [select(name, arguments) for name in names(verb, arguments)]
    with ExitStack() as held:
        folder = held.enter_context(TemporaryDirectory(prefix="bam-"))
        try:
            copy_rules(root, Path(folder))
            remote = fetch(project, studies, Path(folder), held)
            for study in studies:
                _refuse_without_rule(study, Path(folder), root)
                _tell_gaps(study, project, remote)
            agree = [_tell_disagreements(study, project, remote, root, Path(folder)) for study in studies]
            yield [argparse.Namespace(**vars(arguments) | {"root": folder, "storage": None})], all(agree)
        except FolderError as error:
            raise FolderError(str(error).replace(folder, str(project))) from None


@contextmanager
def of_findings(arguments: argparse.Namespace) -> Iterator[list[argparse.Namespace]]:
    """Yield a call for each study that --findings names, or for all that are kept, which reads what is kept of it.

    Raises StudyError: nothing is kept of a study, or an option that asks for other runs.
    """
    for option in ("preset", "set", "seeds", "variant", "margin", "storage", "source"):
        if value := getattr(arguments, option, None):
            word = {"variant": "--as", "source": "--from"}.get(option, f"--{option}")
            said = "" if option in ("set", "storage") else f" {value}"
            raise StudyError(f"{word}{said}: --findings reads runs that are kept as they were made; leave it out")
    if arguments.root != arguments.usual_root:
        raise StudyError(f"--root {arguments.root}: --findings reads the package's own runs; leave one of them out")
    every = findings()
    kept = [find(name) for name in arguments.study or every]
    with ExitStack() as held:
        asked = [held.enter_context(finding.unpacked()) for finding in kept]
        yield [
            argparse.Namespace(
                **vars(arguments)
                | {"study": [one.study], "preset": one.preset, "root": one.root, "storage": None}
                | {"all": False, "findings": False}
            )
            for one in asked
        ]


def _refuse_without_rule(study: Study, folder: Path, root: Path) -> None:
    """Raise StudyError where runs in W&B were begun under a rule that is not here: W&B has its seal alone."""
    if read_rule(file_of(folder, study)) is not None:
        return
    records = gather(study, folder)
    beside = others(folder, {study.label: {record.run.key for record in records}})[study.label]
    purposes = [purpose(record.manifest, study.label) for record in records] + [other.purpose for other in beside]
    declared = [one.get("declared", "") for one in purposes if one and "rule" in one]
    if declared:
        raise StudyError(
            f"{study.label}: {len(declared)} of its runs in W&B were begun under a stopping rule (declared "
            f"{declared[0]}), and {file_of(root, study)} is not there: give the --root, or the --storage, that has it"
        )


def _tell_gaps(study: Study, project: Project, remote: Mapping[str, RemoteRun]) -> None:
    """Say on stderr which runs of a study W&B has without a record, and of which the record is refused."""
    cells = {cell.run.key: cell for cell in study.runs()}
    mine = [remote[key] for key in cells if key in remote]
    if not mine:
        print(f"bam: {study.label}: {project} has none of its {len(cells)} runs", file=sys.stderr)
    if states := Counter(one.state for one in mine if not one.has_record and not one.refused):
        counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        print(f"bam: {study.label}: runs that {project} has without a record yet: {counted}", file=sys.stderr)
    if refused := [one for one in mine if one.refused]:
        row, run = cells[refused[0].key]
        print(
            f"bam: {study.label}: records of {project} that are refused, so that their runs count as not trained: "
            f"{len(refused)} (as {run.key}, {row!r}, seed {run.seed}: {refused[0].refused})",
            file=sys.stderr,
        )


def _tell_disagreements(
    study: Study, project: Project, remote: Mapping[str, RemoteRun], root: Path, folder: Path
) -> bool:
    """Say on stderr where W&B and --root disagree about a study, or about how many runs they agree; whether they do."""
    from studies.tracking.agreement import agreement

    found = agreement(study, project, remote, root, folder)
    if found is None:
        return True
    for line in found.lines[:SHOWN]:
        print(f"bam: {study.label}: {line}", file=sys.stderr)
    if (more := len(found.lines) - SHOWN) > 0:
        print(f"bam: {study.label}: and {more} more runs that disagree", file=sys.stderr)
    if not found.lines:
        print(f"bam: {study.label}: {project} and {root} agree about all {found.alike} runs", file=sys.stderr)
    return not found.lines
