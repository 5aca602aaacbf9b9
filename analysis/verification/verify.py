"""Every run folder of some studies, checked one by one and then against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.verification.copies import copies
from analysis.verification.finding import Finding
from analysis.verification.folders import WEIGHTS, Checked, check, stranger, trained
from analysis.verification.rules import check_purpose
from studies.definition.study import Cell, Study
from studies.records.purpose import others as others_of
from studies.records.records import Record

MARKS: Final = ("run.json", "result.json", "metrics.jsonl")
"""Files by which a folder is known for that of a run, whole or not."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked, and what was found.

    Attributes:
        runs: every run folder, those of studies first; one that several studies share is checked for the first.
        findings: problems and notes.
        records: study label -> the records that can be read, for its table.

    """

    runs: list[Checked]
    findings: list[Finding]
    records: dict[str, list[Record]]

    @property
    def problems(self) -> list[Finding]:
        """What cannot be trusted."""
        return [finding for finding in self.findings if finding.level == "problem"]

    @property
    def notes(self) -> list[Finding]:
        """What is worth knowing."""
        return [finding for finding in self.findings if finding.level == "note"]


def verify(studies: Sequence[Study], root: Path, *, others: bool = False) -> Verification:
    """Check the run folders of these studies.

    Args:
        studies: whose.
        root: the runs folder; nothing in it is changed.
        others: check the run folders that belong to none of them, too.

    """
    seen: dict[str, Checked] = {}
    records: dict[str, list[Record]] = {}
    asked: dict[str, list[tuple[Cell, Checked]]] = {}
    for study in studies:
        mine = []
        for cell in study.runs():
            key = cell.run.key
            found = seen[key] = seen.get(key) or check(cell, root, study.label)
            asked.setdefault(study.label, []).append((cell, found))
            if found.record is not None:
                mine.append(_for(found.record, cell.row))
        records[study.label] = mine
    runs = list(seen.values())
    if others:
        runs += [stranger(path) for path in strangers(root, set(seen))]
    findings = [problem for run in runs for problem in run.problems]
    beside = others_of(root, {label: {cell.run.key for cell, _ in mine} for label, mine in asked.items()})
    for study in studies:
        findings += check_purpose(study, root, asked[study.label], beside[study.label])
    findings += [*copies(runs), *sizes(runs), *_lacking(runs)]
    return Verification(runs=runs, findings=findings, records=records)


def strangers(root: Path, known: set[str]) -> list[Path]:
    """Return the run folders under `root` whose names are not among `known`."""
    if not root.is_dir():
        return []
    return [path for path in sorted(root.iterdir()) if path.name not in known and path.is_dir() and _of_a_run(path)]


def _of_a_run(path: Path) -> bool:
    try:
        marked = any((path / mark).exists() for mark in MARKS)
        return marked and (trained(path) or not (path / WEIGHTS).exists())
    except PermissionError:  # another user's: its line says so
        return True


def sizes(runs: Sequence[Checked]) -> list[Finding]:
    """Name results whose params or MACs are not those of the other seeds of their row, which have the same network."""
    rows: dict[tuple[str, str], list[tuple[Checked, tuple[int, int]]]] = {}
    for run in runs:
        if run.study is not None and run.record is not None and (result := run.record.result) is not None:
            rows.setdefault((run.study, run.cell.row), []).append((run, (result.params, result.macs)))
    found = []
    for members in rows.values():
        usual = Counter(size for _, size in members).most_common(1)[0][0]
        found += [
            run.finding(
                f"{run.folder.path}/result.json: says {size[0]} params and {size[1]} MACs, other seeds of the row "
                f"{usual[0]} and {usual[1]}; remove this run folder to train it again"
            )
            for run, size in members
            if size != usual and not run.problems
        ]
    return found


def _for(record: Record, row: str) -> Record:
    """Return a shared run's record under the name that another study gives its row."""
    if record.row == row:
        return record
    return Record(
        row=row, run=record.run, folder=record.folder, state=record.state, result=record.result, epochs=record.epochs
    )


def _lacking(runs: Sequence[Checked]) -> list[Finding]:
    """Say for each study how many complete runs have no checkpoint here."""
    found = []
    for study in dict.fromkeys(run.study for run in runs):
        mine = [run for run in runs if run.study == study and run.complete]
        name = study if study is not None else "runs of no study named here"
        if nameless := sum(run.folder.manifest().anonymised for run in mine):
            found.append(
                f"{name}: {nameless} of {len(mine)} runs were anonymised for a bundle: where they were trained is left "
                "out, and the hashes of their manifests were made anew"
            )
        if light := sum(run.hashed and not run.weights for run in mine):
            found.append(
                f"{name}: no checkpoint here for {light} of {len(mine)} runs: fetched from another host, left out of a "
                "bundle, or removed; their figures do not need it"
            )
    return [Finding(level="note", text=text) for text in found]
