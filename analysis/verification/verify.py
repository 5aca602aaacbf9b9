"""Every run folder of some studies, checked one by one and then against each other."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.verification import Finding
from analysis.verification.folders import Checked, check, check_stranger
from analysis.verification.rules import check_purpose
from lightning_bam.run_folder.manifest import TIMES
from studies.definition.study import Cell, Study
from studies.records.purpose import others as others_of
from studies.records.records import Record

NOT_COMPUTED: Final = {"epoch", "lr", "gates", *TIMES}
"""What an epoch's line holds besides figures by which one training is told from another."""
COPIED: Final = "one was copied over the other; remove both folders to train them again"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The run folders that were checked, for the first study that has them, and each study's records by its label."""

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
    """Check the run folders of these studies, and with `others` also those that belong to none of them."""
    by_key: dict[str, Checked] = {}
    by_study: dict[str, list[tuple[Cell, Checked]]] = {study.label: [] for study in studies}
    for study in studies:
        for cell in study.runs():
            if cell.run.key not in by_key:
                by_key[cell.run.key] = check(cell, root, study.label)
            by_study[study.label].append((cell, by_key[cell.run.key]))
    runs = [*by_key.values()]
    if others:
        rest = (check_stranger(path) for path in sorted(root.iterdir()) if path.name not in by_key)
        runs += [run for run in rest if run is not None]
    findings = [problem for run in runs for problem in run.problems]
    beside = others_of(root, {label: {cell.run.key for cell, _ in cells} for label, cells in by_study.items()})
    for study in studies:
        findings += check_purpose(study, root, by_study[study.label], beside[study.label])
    records = {
        label: [replace(run.record, row=cell.row) for cell, run in cells if run.record is not None]
        for label, cells in by_study.items()
    }
    return Verification(runs=runs, findings=[*findings, *_copies(runs), *_absent(runs)], records=records)


def _copies(runs: Sequence[Checked]) -> list[Finding]:
    """Name runs that have another's figures, epoch by epoch: a copy at another seed, at the same one a note alone."""
    findings = []
    by_figures: dict[str, Checked] = {}
    for run in runs:
        if run.record is None or run.record.result is None or run.problems:
            continue
        lines = [{name: line[name] for name in line.keys() - NOT_COMPUTED} for line in run.record.metrics]
        if not any("train_loss" in line for line in lines):
            continue
        other = by_figures.setdefault(json.dumps(lines, sort_keys=True), run)
        if other is not run:
            copied = other.cell.run.seed != run.cell.run.seed
            at = f" ({other.study}, row {other.cell.row!r}, seed {other.cell.run.seed})" if other.study else ""
            why = f", though the seed differs: {COPIED}" if copied else ": what sets them apart changed nothing"
            text = f"{run.folder.path}/metrics.jsonl: has the losses of {other.folder.path.name}{at}{why}"
            findings.append(run.finding(text, "problem" if copied else "note"))
    return findings


def _absent(runs: Sequence[Checked]) -> list[Finding]:
    """Say for each study how many complete runs have no checkpoint here, or were anonymised."""
    lines = []
    for study in dict.fromkeys(run.study for run in runs):
        complete = [run for run in runs if run.study == study and run.complete]
        name = study if study is not None else "runs of no study named here"
        if number := sum(run.folder.manifest().anonymised for run in complete):
            lines.append(
                f"{name}: {number} of {len(complete)} runs were anonymised for a bundle: where they were trained is "
                "left out, and the hashes of their manifests were made anew"
            )
        if number := sum(run.hashed and not run.weights for run in complete):
            lines.append(
                f"{name}: no checkpoint here for {number} of {len(complete)} runs: fetched from another host, left out "
                "of a bundle, or removed; their figures do not need it"
            )
    return [Finding(level="note", text=line) for line in lines]
