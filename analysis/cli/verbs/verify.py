"""`bam verify`: whether the records are what the trainings left, and a written table follows from them."""

import argparse
from collections.abc import Sequence, Set
from dataclasses import asdict
from pathlib import Path

from analysis.cli.arguments import FINDINGS, JSON, ROOT, SELECTION, argument, margin
from analysis.cli.selection import against, due_records, every_scale, root_of, select
from analysis.cli.source import of_findings
from analysis.findings.kept import find, findings
from analysis.formats.json_text import json_text
from analysis.table.counted import tables_of
from analysis.verification.tables import compare, read_tables
from analysis.verification.verify import Verification, verify
from lightning_bam.run_folder.files import FolderError
from studies.definition.study import Study
from studies.errors import StudyError
from studies.terminal.text import one_line

ARGUMENTS = (
    argument(
        "study",
        nargs="*",
        help="a name of the catalogue or a Python file (every study of the catalogue that was begun, and all other "
        "run folders)",
    ),
    argument(
        "--table",
        action="append",
        default=[],
        metavar="FILE",
        help="compare with this table, as `bam table --format json --output FILE` wrote it; may be given several times",
    ),
    *SELECTION,
    margin(),
    ROOT,
    FINDINGS,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print a line a problem, then what was verified; returns 1 if there is a problem."""
    if arguments.findings:
        return verify_findings(arguments)
    studies, verification, tables = verified(arguments)
    if arguments.json:
        print(json_text(as_json(studies, verification, tables)))
    else:
        for finding in (*verification.problems, *verification.notes):
            print(one_line(finding.line if finding.level == "problem" else f"note: {finding.line}"))
        print(summary(studies, verification, tables))
    return int(bool(verification.problems))


def verified(arguments: argparse.Namespace) -> tuple[list[Study], Verification, int]:
    """Return the studies of a call, what was verified of them, and with how many tables they were compared."""
    root = root_of(arguments)
    if not root.is_dir():  # nothing verified is not the same as nothing wrong
        raise FolderError(f"--root {root}: no such folder; give the runs folder")
    files = [(Path(name), table) for name in arguments.table for table in read_tables(Path(name))]
    studies = studies_of(arguments, root, {table["study"] for _, table in files})
    verification = verify(studies, root, others=not arguments.study)
    by_label = {study.label: study for study in studies}
    for path, theirs in files:
        study, records = by_label[theirs["study"]], verification.records[theirs["study"]]
        if theirs.get("declared_baseline") and theirs.get("baseline") in [*study.rows]:
            study, records = against(study, records, theirs["baseline"])
        (ours,) = tables_of([(study, records)])
        verification.findings.extend(compare(theirs, ours, path))
    return studies, verification, len(files)


def verify_findings(arguments: argparse.Namespace) -> int:
    """Verify the runs of each finding that is named, or of all, and the table that is kept with them.

    Notes are left out: that a bundle has no checkpoints is as it should be.
    """
    for option in ("table", "json", "only"):
        if getattr(arguments, option):
            raise StudyError(f"--{option}: --findings verifies what is kept, with its table, as a whole; leave it out")
    kept = [find(name) for name in arguments.study or findings()]
    right = True
    with of_findings(arguments) as calls:
        for finding, call in zip(kept, calls, strict=True):
            call.table = [str(finding.path)]
            studies, verification, tables = verified(call)
            for problem in verification.problems:
                print(one_line(problem.line))
            print(f"{finding.name}: {summary(studies, verification, tables)}")
            right = right and not verification.problems
    return int(not right)


def studies_of(arguments: argparse.Namespace, root: Path, labels: Set[str]) -> list[Study]:
    """Return the studies to verify: the named ones, else those of the catalogue that were begun or have a table."""
    if arguments.study:
        studies = [select(name, arguments) for name in arguments.study]
    elif (
        arguments.preset or arguments.set or arguments.only or arguments.seeds or arguments.margin or arguments.variant
    ):
        raise StudyError("verify: --preset, --set, --as, --only, --seeds and --margin change a study; name it")
    else:
        studies = [
            s for s in every_scale(root) if s.label in labels or any((root / c.run.key).is_dir() for c in s.runs())
        ]
    for label in sorted(labels - {study.label for study in studies}):
        how = "name it, with the --preset and --set that it was made with"
        raise StudyError(f"--table: one is of study {label!r}, which is not verified here; {how}")
    return studies


def summary(studies: Sequence[Study], verification: Verification, tables: int) -> str:
    """Return the last line: how much was verified, and how it went."""
    complete = sum(run.complete for run in verification.runs)
    due = {one.run.key for study in studies for one in due_records(study, verification.records[study.label])}
    waited = (run.record for run in verification.runs if run.record is not None and run.record.state == "missing")
    missing = sum(record.run.key in due for record in waited)
    problems = len(verification.problems)
    of = f" of {len(studies)} {'study' if len(studies) == 1 else 'studies'}" if studies else ""
    parts = [f"{complete} complete runs{of}"]
    parts += [f"{missing} run{'s' * (missing != 1)} still to come"] if missing else []
    parts += [f"compared with {tables} table{'s' * (tables != 1)}"] if tables else []
    parts.append(f"{problems} problem{'s' * (problems != 1)}")
    rest = "" if studies else "; name a study's file to check its rule, seeds and rows, too"
    return f"verified: {', '.join(parts)}{rest}"


def as_json(studies: Sequence[Study], verification: Verification, tables: int) -> dict[str, object]:
    """Return the verification as JSON data."""
    return {
        "studies": [study.label for study in studies],
        "tables": tables,
        "runs": [
            {
                "study": run.study,
                "row": run.cell.row or None,
                "seed": run.cell.run.seed if run.record else None,
                "folder": str(run.folder.path),
                "state": run.record.state if run.record else "unreadable",
                "hashes": run.hashed,
                "checkpoint": run.weights,
            }
            for run in verification.runs
        ],
        "problems": [asdict(finding) for finding in verification.problems],
        "notes": [asdict(finding) for finding in verification.notes],
        "fine": not verification.problems,
    }
