"""Whether a study's stopping rule is the one that its runs were begun under, and was declared before they began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analysis.checks.unlisted import of_study, off_rule
from analysis.verification.finding import Finding
from analysis.verification.folders import Checked
from lightning_bam.run_folder.manifest import Manifest
from studies.definition.study import Cell, Study
from studies.records.purpose import Other, purpose
from studies.stopping_rules.declaration import moment, path_of, seal

LEVEL: Final = "a rule that changes, or is made, after a look does not hold its level"


def check_purpose(
    study: Study, root: Path, runs: Sequence[tuple[Cell, Checked]], beside: Sequence[Other]
) -> list[Finding]:
    """Compare a study and its rule on file with what its runs say they were begun for.

    Another rule, one that is gone, and one that is from after the first of its runs are problems; results that the
    study has not are notes, as a study may be extended and asked in parts.

    Args:
        study: as it is asked.
        root: the runs folder.
        runs: its runs.
        beside: what was begun for it and is none of its runs.

    Raises:
        FolderError: a rule that cannot be read.

    """
    rule, path = seal(root, study.label), path_of(root, study.label)
    told = [purpose(run.record.manifest, study.label) for _, run in runs if run.record is not None]
    begun = [*told, *(other.purpose for other in beside)]
    found = []
    if off := off_rule(rule, begun):
        which = "is not the one" if rule else "no such file, though there was one"
        text = f"{path}: {which} that {off} runs of its study were begun under: {LEVEL}; restore it from a copy"
        found.append(Finding(level="problem", text=text, study=study.label))
    if rule:
        found += _too_late(study, path, rule["declared"], runs)
    notes = [*of_study(study, beside, {}, []).notes, *_renamed(study, runs)]
    return [*found, *(Finding(level="note", text=f"{root}: {note}", study=study.label) for note in notes)]


def _renamed(study: Study, runs: Sequence[tuple[Cell, Checked]]) -> list[str]:
    """Say for which studies with a stopping rule those of its runs were begun that were not begun for it."""
    theirs: Counter[str] = Counter()
    for _, run in runs:
        begun = run.record.manifest.studies or {} if run.record is not None else {}
        theirs.update(label for label, told in begun.items() if study.label not in begun and "rule" in told)
    return [
        f"{number} runs of this study were begun for {label!r}, under the stopping rule of that study"
        for label, number in sorted(theirs.items())
    ]


def _too_late(study: Study, path: Path, declared: str, runs: Sequence[tuple[Cell, Checked]]) -> list[Finding]:
    """Name the rule if a run that it counts had begun before it; `fresh_seeds.looked` says which count."""
    late = []
    for cell, run in runs:
        if run.record is None or not run.record.epochs:
            continue
        told = purpose(run.record.manifest, study.label)
        if (told and "rule" in told) or (cell.row in study.baselines and study.seed_list[0] == 0):
            continue
        began, ruled = moment(_began(run.record.manifest)), moment(declared)
        if told is not None or (began is not None and ruled is not None and began < ruled):
            late.append(cell)
    if not late:
        return []
    text = (
        f"{path}: declared {declared}, but {len(late)} of the runs that it counts were not begun under it (as "
        f"{late[0].row!r}, seed {late[0].run.seed}): {LEVEL}"
    )
    return [Finding(level="problem", text=text, study=study.label)]


def _began(manifest: Manifest) -> str | None:
    """Return when the attempt began that trained the first epoch of which the figures are."""
    first = [made for made in manifest.effective if not made.from_epoch]
    return (first[-1] if first else manifest).started
