"""What a study has so far: its runs joined with their folders, so that a missing run is a visible one."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.cores import cores
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder, State
from lightning_bam.lock import locked
from lightning_bam.manifest import Manifest
from lightning_bam.result import Result
from studies.circumstances import circumstances
from studies.forked import Forked
from studies.headline import headline, so_far
from studies.record_cache import FIGURES, Entry, RecordCache
from studies.sight import Sight, Sights, look
from studies.study import Cell, Study

MANY: Final = 1000
"""Runs of a study for which a cache is worth its file: fewer are read in a fifth of a second."""
MORE: Final = 10_000
"""Runs of a study for which a second process that looks at folders, and reads some, is worth its start."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of a study and what its folder says of it; what is seldom asked for is read when it is.

    `epochs` is how many it has been trained for.
    """

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
    def circumstances(self) -> str:
        """What each attempt was trained with; `studies.circumstances.by_attempt` reads it."""
        return circumstances(self.manifest)

    @cached_property
    def key_noted(self) -> str:
        """The key of the run of which the manifest is; its own where none is noted."""
        noted: str = self.manifest.get("key", self.run.key)
        return noted

    @cached_property
    def first_step_loss(self) -> float | None:
        """The training loss of the first step, before anything was learnt; None where it is not noted."""
        return self.manifest.get("first_loss")

    @cached_property
    def first_epoch_loss(self) -> float | None:
        """The mean training loss of the first epoch; None before its end."""
        return self.metrics[0].get("train_loss") if self.metrics else None


def gather(study: Study, root: Path) -> list[Record]:
    """Join every run of `study` with its folder under `root`; nothing is left out, whatever its state.

    Of a large study, folders that have not changed since they were last read are not read again.

    Raises:
        FolderError: a folder that cannot be trusted (torn, edited, of another version).

    """
    count = len(study.rows) * len(study.seed_list)
    if count < MANY:
        return read(study.runs(), root)
    helped = count >= MORE and cores() > 1
    with _uncollected(), Sights(str(root), wanted=count if helped else 0) as sights:
        cache = RecordCache(root, study.label)
        cells = study.runs()
        seen = sights.of([cell.run.key for cell in cells])
        known = [sight and cache.recall(cell.run.key, sight) for cell, sight in zip(cells, seen, strict=True)]
        new = [at for at, entry in enumerate(known) if entry is None and seen[at] is not None]
        theirs = new[len(new) // 2 :] if helped and len(new) >= MANY else []
        made: dict[int, Record] = {}
        with Forked(partial(_entries, [cells[at] for at in theirs], root) if theirs else None) as second:
            for at in new[: len(new) - len(theirs)]:
                made[at], lines = _record(cells[at], _folder(root, cells[at]))
                _learn(_entry(made[at], lines), cells[at], root, seen[at], cache)
            for at, told in zip(theirs, second.answer() or (), strict=False):
                known[at] = Entry(*told) if told else None
                _learn(known[at], cells[at], root, seen[at], cache)
        cache.save()
        return [
            made.get(at) or (_again(cell, root, entry) if entry else _record(cell, _folder(root, cell))[0])
            for at, (cell, entry) in enumerate(zip(cells, known, strict=True))
        ]


def read(cells: Iterable[Cell], root: Path) -> list[Record]:
    """Join these cells with their folders under `root`, every one of which is read; see `gather`."""
    return [_record(cell, RunFolder.of(root, cell.run))[0] for cell in cells]


def _folder(root: Path, cell: Cell) -> RunFolder:
    return RunFolder(f"{root}/{cell.run.key}")


def _again(cell: Cell, root: Path, entry: Entry) -> Record:
    """Return the record that an entry was made of."""
    key = cell.run.key
    state: State = "running" if entry.figures is None and locked(f"{root}/{key}/lock") else entry.state
    result = Result.again(zip(FIGURES, entry.figures, strict=True)) if entry.figures else None
    record = object.__new__(Record)  # a frozen class sets its fields one by one, which takes three times as long
    vars(record).update(
        row=cell.row,
        run=cell.run,
        folder=_folder(root, cell),
        state=state,
        result=result,
        epochs=entry.epochs,
        key_noted=key,
        first_step_loss=entry.first_step_loss,
        first_epoch_loss=entry.first_epoch_loss,
        circumstances=entry.circumstances,
    )
    return record


def _entry(record: Record, lines: Sequence[str]) -> Entry | None:
    """Return what to remember of a record; None of a run that is trained, of a copy, and of what is not whole.

    Who needs what cannot be read is told so when it is read again.
    """
    figures = [getattr(record.result, name) for name in FIGURES] if record.result else None
    with suppress(FolderError, AttributeError, TypeError):
        if record.state != "running" and record.key_noted == record.run.key:
            epochs = record.folder.metrics(lines)
            return Entry(
                state=record.state,
                epochs=record.epochs,
                figures=figures,
                first_step_loss=record.first_step_loss,
                first_epoch_loss=epochs[0].get("train_loss") if epochs else None,
                circumstances=record.circumstances,
            )
    return None


def _entries(cells: Iterable[Cell], root: Path) -> list[list[Any] | None]:
    """Return the entry of each of these cells in plain values; None where the folder has to be read again."""
    found: list[list[Any] | None] = []
    for cell in cells:
        entry = None
        with suppress(FolderError):
            entry = _entry(*_record(cell, _folder(root, cell)))
        found.append(entry and [*entry])
    return found


def _learn(entry: Entry | None, cell: Cell, root: Path, sight: Sight | None, cache: RecordCache) -> None:
    """Remember an entry, unless its folder has changed just now, or since it was seen.

    Of a folder that had all its files one look is enough: files that are written after it do not look so again.
    """
    key = cell.run.key
    if entry and sight and sight.quiet and (sight.whole or look(f"{root}/{key}") == sight):
        cache.learn(key, sight, entry)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python's collector of cycles from looking through what is made here, now and later: none of it is one."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was:
            gc.enable()


def _record(cell: Cell, folder: RunFolder) -> tuple[Record, list[str]]:
    """Return the record of a folder and the lines of its metrics, of which only the last has been looked into."""
    described, result = folder.holds(cell.run), folder.result()
    if not described:
        if result is not None:
            raise FolderError(f"{folder.path}/run.json: no such file; not a run folder")
        return Record(row=cell.row, run=cell.run, folder=folder, state="missing", result=None, epochs=0), []
    lines = folder.lines()
    epochs, last = folder.last_epoch(lines)
    if result is not None:
        agree(folder, cell.run, result, lines, so_far(cell.run, last))
    state: State = "complete" if result is not None else folder.state()
    return Record(row=cell.row, run=cell.run, folder=folder, state=state, result=result, epochs=epochs), lines


def agree(folder: RunFolder, run: Run, result: Result, lines: Sequence[str], last: float | None) -> None:
    """Make sure that a result is that of the last epoch, whose figure is given.

    Raises:
        FolderError: it is not.

    """
    figure, epochs = result.figure(headline(run).name), len(lines)
    if epochs != result.epochs or last is None or last != figure:
        folder.metrics(lines)  # a torn line is the better reason
        raise FolderError(
            f"{folder.path}: result.json says {'mAP' if run.detects else 'error'} {figure} "
            f"after {result.epochs} epochs, metrics.jsonl {last} after {epochs}; "
            "remove this run folder to train it again"
        )
