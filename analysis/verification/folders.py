"""One run folder: is it the run that it is named after, and are its files what the training left?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from analysis.verification.figures import disagreement
from analysis.verification.finding import Finding, Level
from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, altered, recorded
from studies.definition.study import Cell
from studies.records.records import Record, record_of

AGAIN: Final = "restore it from a copy, or remove this run folder to train it again"
WEIGHTS: Final = "weights.pt"
"""The file by which a folder is known for a model folder, which has no training to tell of."""
TRAINED: Final = ("result.json", "metrics.jsonl", "checkpoints")
"""What tells of a training: no model folder has one of these."""


@dataclass(kw_only=True)
class Checked:
    """One run folder and what is wrong with it.

    Attributes:
        study: the study's label; None for a run of no study that was named.
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
    record: Record | None = None
    problems: list[Finding] = field(default_factory=list)
    hashed: bool = False
    weights: bool = False

    @property
    def complete(self) -> bool:
        """Whether there is a result that can be read."""
        return self.record is not None and self.record.result is not None

    def finding(self, text: str, level: Level = "problem") -> Finding:
        """Return a line about this run."""
        row, seed = (self.cell.row or None, self.cell.run.seed) if self.study is not None else (None, None)
        return Finding(level=level, text=text, study=self.study, row=row, seed=seed)


def check(cell: Cell, root: Path, study: str | None) -> Checked:
    """Check the folder of one run, file by file; a file has one line, the one that says most.

    Args:
        cell: the row and the run.
        root: the runs folder.
        study: the label of the study whose run it is, if it is one's.

    """
    checked = Checked(study=study, cell=cell, folder=RunFolder.of(root, cell.run))
    try:
        lines = _files(checked)
    except FolderError as error:
        lines = [str(error)]
    checked.problems = [checked.finding(line) for line in lines]
    return checked


def _files(checked: Checked) -> list[str]:
    """Check the files and fill in what they say; return a line a problem.

    Raises:
        FolderError: a problem that leaves nothing more to be said.

    """
    folder, run, path = checked.folder, checked.cell.run, checked.folder.path
    complete = folder.state() == "complete"
    manifest = folder.manifest()
    if complete and not manifest:
        raise FolderError(f"{path}/manifest.json: missing or empty, beside a result.json; {AGAIN}")
    without_hashes, changed = [], dict[str, str]()
    if complete:
        try:
            hashes = recorded(folder)
        except FolderError as error:
            without_hashes = [str(error)]
        else:
            checked.hashed, changed = True, _changed(folder, hashes)
    if (key := manifest.get("key", run.key)) != run.key:
        says = f"is that of run {key}, not of {run.key}: copied over from there"
        changed["manifest.json"] = f"{path}/manifest.json: {says}; {AGAIN}"
    if "run.json" not in changed and not folder.holds(run) and complete:
        raise FolderError(f"{path}/run.json: no such file, beside a result.json; {AGAIN}")
    checked.weights = folder.has_checkpoint
    lines = [*without_hashes, *changed.values()]
    if os.path.lexists(path / WEIGHTS) and trained(path):
        lines.append(
            f"{path / WEIGHTS}: is no file of a training, and `bam export` and `bam inspect` would take it for the "
            "checkpoint; remove it, or move it into a model folder of its own"
        )
    try:
        checked.record = record_of(checked.cell, path.parent)
        contradiction = disagreement(checked.record)
    except FolderError as error:
        checked.record, contradiction = None, str(error)
    return [*lines, contradiction] if contradiction and not changed else lines


def _changed(folder: RunFolder, hashes: dict[str, str]) -> dict[str, str]:
    """Return a line for each file that does not have its hash; a checkpoint may be left on another host."""
    lines = {}
    for name, digest in altered(folder, hashes).items():
        if name == CHECKPOINT and digest is None:
            continue
        says = f"not the file that the training left (SHA-256 {(digest or '')[:12]}, recorded {hashes[name][:12]})"
        if name == "manifest.json":
            says = "says other things of how the run was trained than when it was complete"
        elif digest is None:
            says = "gone since the run was complete"
        lines[name] = f"{folder.path}/{name}: {says}; {AGAIN}"
    return lines


def trained(path: Path) -> bool:
    """Say whether a folder has anything that a training leaves.

    Raises:
        PermissionError: it is another user's, and not to be looked into.

    """
    return any((path / name).exists() for name in TRAINED)


def strangers(root: Path, keys: set[str]) -> list[Checked]:
    """Check the run folders that have none of these keys, each by its own description."""
    return [_stranger(path) for path in sorted(root.iterdir()) if path.name not in keys and _is_run(path)]


def _is_run(path: Path) -> bool:
    """Say whether this is a run folder; a model folder has a run.json, too."""
    try:
        return path.is_dir() and (trained(path) or ((path / "run.json").exists() and not (path / WEIGHTS).exists()))
    except PermissionError:  # another user's: its line says so
        return True


def _stranger(path: Path) -> Checked:
    folder = RunFolder(path)
    checked = Checked(study=None, cell=Cell("", Run()), folder=folder)
    try:
        run = folder.run()
    except FolderError as error:
        checked.problems = [checked.finding(str(error))]
        return checked
    if path.name == run.key:
        return check(Cell("", run), path.parent, None)
    home = path.with_name(run.key)
    text = f"{path}: describes run {run.key}, which belongs in {home}: copied or renamed; remove it, or name it so"
    checked.problems = [checked.finding(text)]
    return checked
