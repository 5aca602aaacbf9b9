"""One run folder: is it the run that it is named after, and are its files what the training left?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.verification.figures import disagreements
from analysis.verification.finding import Finding
from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, altered, recorded
from studies.definition.study import Cell
from studies.records.records import Record, read

AGAIN: Final = "restore it from a copy, or remove this run folder to train it again"
WEIGHTS: Final = "weights.pt"
"""The file by which a folder is known for a model folder, which has no training to tell of."""
TRAINED: Final = ("result.json", "metrics.jsonl", "checkpoints")
"""What tells of a training: no model folder has one of these."""
HASHES: Final = "sha256"
"""Under which name a line stands for hashes that are not all there: it hides none of what the files say themselves."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One run folder and what is wrong with it.

    Attributes:
        study: the study's label; None for a run of no study that was asked for.
        cell: the row and the run; the row is empty where there is no study.
        folder: where.
        record: what the folder says; None where it cannot be read.
        problems: a line for each file that cannot be trusted.
        hashed: whether every hash of the files is there.
        weights: whether the last checkpoint is here.

    """

    study: str | None
    cell: Cell
    folder: RunFolder
    record: Record | None
    problems: tuple[Finding, ...] = ()
    hashed: bool = False
    weights: bool = False

    @property
    def complete(self) -> bool:
        """Whether there is a result that can be read."""
        return self.record is not None and self.record.result is not None

    def finding(self, text: str) -> Finding:
        """Return a problem of this run."""
        row, seed = (self.cell.row, self.cell.run.seed) if self.study is not None else (None, None)
        return Finding(level="problem", text=text, study=self.study, row=row, seed=seed)


def check(cell: Cell, root: Path, study: str | None) -> Checked:
    """Check the folder of one run, file by file; a file has one line, the one that says most.

    Args:
        cell: the row and the run.
        root: the runs folder.
        study: the label of the study that asks for it, if one does.

    """
    folder = RunFolder.of(root, cell.run)
    seen = Checked(study=study, cell=cell, folder=folder, record=None)
    try:
        complete = folder.state() == "complete"
        if complete and not folder.manifest().entries:
            raise FolderError(f"{folder.path}/manifest.json: missing or empty, beside a result.json; {AGAIN}")
        changed = (_changed(folder) if complete else {}) | _other_key(folder, cell.run)
        if "run.json" not in changed and not folder.holds(cell.run) and folder.has("result.json"):
            raise FolderError(f"{folder.path}/run.json: no such file, beside a result.json; {AGAIN}")
        weights = folder.has_checkpoint
    except FolderError as error:
        return _with(seen, [str(error)])
    hashed, lines = complete and HASHES not in changed, [*changed.values(), *_another_network(folder)]
    try:
        record = read([cell], root)[0]
        told = disagreements(record)
    except FolderError as error:
        record, told = None, [str(error)]
    lines += told if changed.keys() <= {HASHES} else []
    return _with(seen, lines, record, hashed=hashed, weights=weights)


def trained(path: Path) -> bool:
    """Say whether a folder has anything that a training leaves.

    Raises:
        PermissionError: it is another user's, and not to be looked into.

    """
    return any((path / name).exists() for name in TRAINED)


def stranger(path: Path) -> Checked:
    """Check a run folder that belongs to no study that was asked for, by its own description."""
    folder = RunFolder(path)
    try:
        run = folder.run()
        if path.name != run.key:
            raise FolderError(
                f"{path}: describes run {run.key}, which belongs in {path.with_name(run.key)}: copied or renamed; "
                "remove it, or name it so"
            )
    except FolderError as error:
        return _with(Checked(study=None, cell=Cell("", Run()), folder=folder, record=None), [str(error)])
    return check(Cell("", run), path.parent, None)


def _with(
    seen: Checked, lines: list[str], record: Record | None = None, *, hashed: bool = False, weights: bool = False
) -> Checked:
    return Checked(
        study=seen.study,
        cell=seen.cell,
        folder=seen.folder,
        record=record,
        problems=tuple(seen.finding(line) for line in lines),
        hashed=hashed,
        weights=weights,
    )


def _other_key(folder: RunFolder, run: Run) -> dict[str, str]:
    key = folder.manifest().key or run.key
    if key == run.key:
        return {}
    line = f"{folder.path}/manifest.json: is that of run {key}, not of {run.key}: copied over from there; {AGAIN}"
    return {"manifest.json": line}


def _another_network(folder: RunFolder) -> list[str]:
    """Name a model folder's weights in the folder of a training, which no hash covers."""
    file = folder.path / WEIGHTS
    if not os.path.lexists(file) or not trained(folder.path):
        return []
    return [
        f"{file}: is no file of a training, and `bam export` and `bam inspect` would take it for the checkpoint; "
        "remove it, or move it into a model folder of its own"
    ]


def _changed(folder: RunFolder) -> dict[str, str]:
    try:
        noted = recorded(folder)
    except FolderError as error:
        return {HASHES: str(error)}
    lines = {}
    for name, digest in altered(folder, noted).items():
        if name == "manifest.json":
            said = "says other things of how the run was trained than when it was complete"
        elif digest is not None:
            said = f"not the file that the training left (SHA-256 {digest[:12]}, recorded {noted[name][:12]})"
        elif name == CHECKPOINT:
            continue
        else:
            said = "gone since the run was complete"
        lines[name] = f"{folder.path}/{name}: {said}; {AGAIN}"
    return lines
