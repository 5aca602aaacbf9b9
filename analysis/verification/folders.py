"""One run folder: is it the run of its name, are its files what the training left, and do its figures agree?"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from analysis.verification import Finding, Level
from lightning_bam.config import Run
from lightning_bam.json_text import shortened
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, altered, recorded
from lightning_bam.user_code import keep
from studies.definition.study import Cell
from studies.records.records import Record, record_of

REMOVE: Final = "remove this run folder to train it again"
AGAIN: Final = f"restore it from a copy, or {REMOVE}"
EQUAL: Final = 1e-9
"""Percentage points within which an error is the one that its counts give."""
WEIGHTS: Final = "weights.pt"
"""The file by which a folder is known for a model folder, which has no training to tell of."""
TRAINED: Final = ("result.json", "metrics.jsonl", "checkpoints")
"""What tells of a training: no model folder has one of these."""


@dataclass(kw_only=True)
class Checked:
    """One run folder and what is wrong with it; of no study that was named, it has no `study` and no row.

    `record` is None where it cannot be read, `weights` says whether the last checkpoint is here.
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
    """Check the folder of a study's run, file by file; a file has one line, the one that says most."""
    checked = Checked(study=study, cell=cell, folder=RunFolder.of(root, cell.run))
    try:
        lines = _files(checked)
    except FolderError as error:
        lines = [str(error)]
    checked.problems = [checked.finding(line) for line in lines]
    return checked


def _files(checked: Checked) -> list[str]:
    """Check the files, fill in what they say, and return a line a problem; FolderError for one that says it all."""
    folder, run, path = checked.folder, checked.cell.run, checked.folder.path
    complete = folder.state() == "complete"
    manifest = folder.manifest()
    if complete and not manifest.entries:
        raise FolderError(f"{path}/manifest.json: missing or empty, beside a result.json; {AGAIN}")
    without_hashes, changed = [], dict[str, str]()
    if complete:
        try:
            hashes = recorded(folder)
        except FolderError as error:
            without_hashes = [str(error)]
        else:
            checked.hashed, changed = True, _changed(folder, hashes)
    if (key := manifest.key or run.key) != run.key:
        says = f"is that of run {key}, not of {run.key}: copied over from there"
        changed["manifest.json"] = f"{path}/manifest.json: {says}; {AGAIN}"
    if "run.json" not in changed and not folder.holds(run) and complete:
        raise FolderError(f"{path}/run.json: no such file, beside a result.json; {AGAIN}")
    if complete:
        try:
            keep.check(path.parent, run, manifest.code)
        except FolderError as error:
            changed["code"] = f"{path}: {error}"
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
            says = "missing since the run was complete"
        lines[name] = f"{folder.path}/{name}: {says}; {AGAIN}"
    return lines


def disagreement(record: Record) -> str | None:
    """Say in what a complete run contradicts itself first; None where it does not, or is not complete."""
    if record.result is None:
        return None
    lines, result, path = record.metrics, record.result.figures(), record.folder.path
    epochs, planned = [line["epoch"] for line in lines], record.run.recipe.epochs
    if epochs != list(range(planned)):
        shown = shortened(", ".join(map(str, epochs)))
        return f"{path}/metrics.jsonl: holds epochs {shown}, not 0 to {planned - 1}; {REMOVE}"
    counts = [(f"metrics.jsonl: epoch {line['epoch']}", line) for line in lines] + [("result.json", result)]
    return next((f"{path}/{where}: {wrong}; {REMOVE}" for where, each in counts if (wrong := miscount(each))), None)


def miscount(figures: Mapping[str, Any]) -> str | None:
    """Say which error, in percent, is not that of its counts; None where each is, or there are no counts."""
    scored = figures.get("scored")
    for name in ("top1", "top5"):
        error, correct = figures.get(f"error_{name}"), figures.get(f"correct_{name}")
        if error is None or correct is None or not scored:
            continue
        counted = 100 * (scored - correct) / scored
        if not math.isclose(error, counted, rel_tol=0, abs_tol=EQUAL) or not 0 <= correct <= scored:
            return f"error_{name} {error} is not that of {correct} right among {scored} ({counted})"
    return None


def trained(path: Path) -> bool:
    """Say whether a folder has anything that a training leaves; a PermissionError says that it is another user's."""
    return any((path / name).exists() for name in TRAINED)


def check_stranger(path: Path) -> Checked | None:
    """Check a folder of no study by its own description; None for what is no run folder, as a model folder."""
    folder = RunFolder(path)
    checked = Checked(study=None, cell=Cell("", Run()), folder=folder)
    try:
        described = (path / "run.json").exists() and not (path / WEIGHTS).exists()
        if not path.is_dir() or not (trained(path) or described):
            return None
    except PermissionError:  # another user's: the next line says so
        pass
    try:
        run = folder.run()
    except FolderError as error:
        problem = str(error)
    else:
        if path.name == run.key:
            return check(Cell("", run), path.parent, None)
        home = path.with_name(run.key)
        problem = (
            f"{path}: describes run {run.key}, which belongs in {home}: copied or renamed; remove it, or name it so"
        )
    checked.problems = [checked.finding(problem)]
    return checked
