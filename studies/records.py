"""What a study has so far: its runs joined with their folders, so that a missing run is a visible one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_bam.config import Run
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder, State
from lightning_bam.result import Result
from studies.headline import headline, so_far
from studies.study import Cell, Study


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of a study and what its folder says of it."""

    row: str
    run: Run
    folder: RunFolder
    state: State
    result: Result | None
    manifest: dict[str, Any]
    metrics: list[dict[str, Any]]


def gather(study: Study, root: Path) -> list[Record]:
    """Join every run of `study` with its folder under `root`; nothing is left out, whatever its state.

    Raises:
        FolderError: a folder that cannot be trusted (torn, edited, of another version).

    """
    return read(study.runs(), root)


def read(cells: Iterable[Cell], root: Path) -> list[Record]:
    """Join these cells with their folders under `root`; see `gather`."""
    return [_record(cell, RunFolder.of(root, cell.run)) for cell in cells]


def _record(cell: Cell, folder: RunFolder) -> Record:
    if not (folder.path / "run.json").exists() and not (folder.path / "result.json").exists():
        return Record(row=cell.row, run=cell.run, folder=folder, state="missing", result=None, manifest={}, metrics=[])
    found = folder.run()
    if found.key != cell.run.key:
        raise FolderError(f"{folder.path}/run.json describes run {found.key}: a copied folder? remove it")
    result, metrics = folder.result(), folder.metrics()
    if result is not None:
        _agree(folder, cell.run, result, metrics)
    return Record(
        row=cell.row,
        run=cell.run,
        folder=folder,
        state="complete" if result is not None else folder.state(),
        result=result,
        manifest=folder.manifest(),
        metrics=metrics,
    )


def _agree(folder: RunFolder, run: Run, result: Result, metrics: list[dict[str, Any]]) -> None:
    metric = headline(run)
    last = so_far(run, metrics[-1]) if metrics else None
    if len(metrics) != result.epochs or last is None or last != result.figure(metric.name):
        raise FolderError(
            f"{folder.path}: result.json says {'mAP' if run.detects else 'error'} {result.figure(metric.name)} "
            f"after {result.epochs} epochs, metrics.jsonl {last} after {len(metrics)}; "
            "remove this run folder to train it again"
        )
