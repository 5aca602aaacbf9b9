"""Whether a study's stopping rule is the one that its runs were begun under, and was declared before they began."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from analysis.checks.unlisted import of_study, off_rule
from analysis.verification import Finding
from analysis.verification.folders import Checked
from lightning_bam.run_folder.manifest import Manifest
from studies.definition.study import Cell, Study
from studies.records.purpose import Other, purpose
from studies.stopping_rules.declaration import moment, path_of, seal

LEVEL: Final = "a rule that changes, or is made, after a look does not hold its level"


def check_purpose(
    study: Study, root: Path, runs: Sequence[tuple[Cell, Checked]], beside: Sequence[Other]
) -> list[Finding]:
    """Compare a study and its rule on file with what its runs, and those `beside` it, say they were begun for.

    Another rule, one that is missing, and one that is from after the first of its runs are problems; results that the
    study has not are notes, as a study may be extended and asked in parts, and so are choices newer than its runs.
    """
    rule, path = seal(root, study.label), path_of(root, study.label)
    manifests = [(cell, run.record.manifest) for cell, run in runs if run.record is not None]
    ours = [purpose(manifest, study.label) for _, manifest in manifests]
    purposes = [one for one in (*ours, *(other.purpose for other in beside)) if one is not None]
    problems = []
    if number := off_rule(rule, purposes):
        which = "is not the one" if rule else "no such file, though there was one"
        problems.append(f"{which} that {number} runs of its study were begun under: {LEVEL}; restore it from a copy")
    trained = [(cell, run.record.manifest) for cell, run in runs if run.record is not None and run.record.epochs]
    late = [cell for cell, manifest in trained if rule and _is_late(study, rule["declared"], manifest)]
    # rules of an earlier version could be declared beside a baseline that was known, if its seeds were 0, 1, ...
    known = [cell for cell in late if cell.row in study.baselines and study.seed_list[0] == 0]
    if late := [cell for cell in late if cell not in known]:
        problems.append(
            f"declared {rule['declared']}, but {len(late)} of the runs that it counts were not begun under it (as "
            f"{late[0].row!r}, seed {late[0].run.seed}): {LEVEL}"
        )
    under: Counter[str] = Counter()  # another study's rule
    for _, manifest in manifests:
        names = manifest.studies or {}
        under.update(label for label, entry in names.items() if study.label not in names and "rule" in entry)
    found = replace(of_study(study, root, beside, ours), rule="")  # of which a problem tells
    notes = found.notes(study.comparisons + len(found.compared), study.comparisons)
    if known:
        notes.append(
            f"{len(known)} of the baseline's runs had begun before the stopping rule of {study.label!r} was declared "
            f"(as {known[0].row!r}, seed {known[0].run.seed}): a rule that is made because they were unlucky does not "
            "hold its level"
        )
    for label, number in sorted(under.items()):
        notes.append(f"{number} runs of this study were begun for {label!r}, under the stopping rule of that study")
    return [
        *(Finding(level="problem", text=f"{path}: {problem}", study=study.label) for problem in problems),
        *(Finding(level="note", text=f"{root}: {note}", study=study.label) for note in notes),
    ]


def _is_late(study: Study, declared: str, manifest: Manifest) -> bool:
    """Say whether a run was begun before the study's rule."""
    entry = purpose(manifest, study.label)
    if entry is not None:
        return "rule" not in entry
    first = [attempt for attempt in manifest.effective if not attempt.from_epoch]
    began, ruled = moment((first[-1] if first else manifest).started), moment(declared)
    return began is not None and ruled is not None and began < ruled
