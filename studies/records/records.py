"""What a study has so far: its runs joined with their folders, so that a missing run is a visible one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder, State
from lightning_bam.run_folder.manifest import Manifest
from lightning_bam.run_folder.result import Result, headline, reports, so_far
from studies.definition.study import Cell, Study


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of a study and what its folder says of it; `epochs` is how many it has been trained for."""

    row: str
    run: Run
    folder: RunFolder
    state: State
    result: Result | None
    epochs: int

    @cached_property
    def manifest(self) -> Manifest:
        """Where, when and with what the run was trained."""
        return self.folder.manifest()

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """A line an epoch."""
        return self.folder.metrics()

    @cached_property
    def key_noted(self) -> str:
        """The key of the run of which the manifest is; its own where none is noted."""
        return self.manifest.key or self.run.key

    @cached_property
    def first_step_loss(self) -> float | None:
        """The training loss of the first step, before anything was learnt; None where it is not noted."""
        return self.manifest.first_loss

    @cached_property
    def first_epoch_loss(self) -> float | None:
        """The mean training loss of the first epoch; None before its end."""
        return self.metrics[0].get("train_loss") if self.metrics else None


def gather(study: Study, root: Path) -> list[Record]:
    """Join every run of `study` with its folder under `root`; `FolderError` for one that cannot be trusted."""
    return read(study.runs(), root)


def read(cells: Iterable[Cell], root: Path) -> list[Record]:
    """Join these cells with their folders under `root`; see `gather`."""
    return [record_of(cell, root) for cell in cells]


def record_of(cell: Cell, root: Path) -> Record:
    """Join one cell with its folder under `root`, of whose metrics only the last line is looked into; see `gather`."""
    folder = RunFolder.of(root, cell.run)
    described, result = folder.holds(cell.run), folder.result()
    if not described:
        if result is not None:
            raise FolderError(f"{folder.path}/run.json: no such file; not a run folder")
        return Record(row=cell.row, run=cell.run, folder=folder, state="missing", result=None, epochs=0)
    lines = folder.lines()
    epochs, last = folder.last_epoch(lines)
    if result is not None:
        agree(folder, cell.run, result, lines, so_far(cell.run, last))
    state: State = "complete" if result is not None else folder.state()
    return Record(row=cell.row, run=cell.run, folder=folder, state=state, result=result, epochs=epochs)


def refuse_unknown(where: str, run: Run, result: Result) -> None:
    """Raise FolderError for figures that the run's task does not report."""
    if run.actual_task.metrics and (more := sorted(set(result.own) - set(reports(run)))):
        raise FolderError(f"{where}: edited, or written by another version (it has {more[0]!r})")


def agree(folder: RunFolder, run: Run, result: Result, lines: Sequence[str], last: float | None) -> None:
    """Refuse a result that is not that of the last epoch, whose figure is given."""
    if not run.actual_task.metrics:  # a task of the user's own whose class is not known here
        return
    refuse_unknown(f"{folder.path}/result.json", run, result)
    metric = headline(run)
    figure, epochs = result.figure(metric.name), len(lines)
    if epochs != result.epochs or last is None or last != figure:
        folder.metrics(lines)  # a torn line is the better reason
        raise FolderError(
            f"{folder.path}: result.json says {metric.short} {figure} "
            f"after {result.epochs} epochs, metrics.jsonl {last} after {epochs}; "
            "remove this run folder to train it again"
        )
