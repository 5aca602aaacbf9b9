"""Where W&B and the run folders disagree about a study."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.json_text import short, shortened
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.manifest import MOST, TIMES
from lightning_bam.run_folder.result import flat
from studies.definition.study import Cell, Study
from studies.records.records import Record, record_of
from studies.tracking.description import config_of
from studies.tracking.names import epoch_figures
from studies.tracking.remote import Project, RemoteRun, in_parallel

LISTED: Final = 3
"""Differences of one run that are named; the others are counted."""
ENDED: Final = ("complete", "failed")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How many runs of a study are alike here and in W&B, and a line for each of the others."""

    alike: int
    lines: tuple[str, ...]


def agreement(
    study: Study, project: Project, remote: Mapping[str, RemoteRun], here: Path, there: Path
) -> Agreement | None:
    """Compare the folders of a study's runs `here` with what W&B has of them, whose records lie `there`.

    None where there is none here.
    """
    cells = study.runs()
    local = {cell.run.key: _read(cell, here) for cell in cells}
    if all(isinstance(one, Record) and one.state == "missing" for one in local.values()):
        return None
    kept = {cell.run.key: record_of(cell, there) for cell in cells}
    ended = [key for key, one in local.items() if key in remote and isinstance(one, Record) and one.state in ENDED]
    histories = in_parallel(project, lambda key: remote[key].history(_most(local[key])), ended)
    told = dict(zip(ended, histories, strict=True))
    lines, alike = [], 0
    for row, run in cells:
        one = local[run.key]
        found = list(_differences(one, kept[run.key], remote.get(run.key), told.get(run.key)))
        if found:
            more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
            lines.append(f"run {run.key} ({row!r}, seed {run.seed}): {'; '.join(found[:LISTED])}{more}")
        else:
            alike += isinstance(one, Record) and one.state != "missing"
    return Agreement(alike=alike, lines=tuple(lines))


def _read(cell: Cell, here: Path) -> Record | FolderError:
    try:
        record = record_of(cell, here)
        _ = record.metrics
    except FolderError as error:
        return error
    return record


def _most(record: Record | FolderError) -> int:
    """Return how many lines of history are asked for: more than a run without a doubled epoch has."""
    return 4 * (record.epochs if isinstance(record, Record) else 0) + 1000


def _differences(
    here: Record | FolderError, kept: Record, remote: RemoteRun | None, history: Sequence[Mapping[str, Any]] | None
) -> Iterator[str]:
    """Yield what is another there than here."""
    if isinstance(here, FolderError):
        yield f"cannot be read here ({here})"
        return
    if remote is None:
        if here.state != "missing":
            yield f"{here.state} here, not in W&B"
        return
    if here.state == "missing":
        yield f"{_state(kept, remote)} in W&B, not here"
        return
    if remote.refused:
        yield f"{here.state} here, its record in W&B is {remote.refused}"
    elif kept.state != here.state:
        yield f"{_state(kept, remote)} in W&B, {here.state} here"
    elif kept.result is not None and here.result is not None:
        yield from _figures(here.result.figures(), kept.result.figures())
    for slot, ours in config_of(here.run).items():
        yield from _config(slot, ours, remote.config.get(slot))
    if history is not None:
        yield from _epochs(here, history)


def _state(kept: Record, remote: RemoteRun) -> str:
    """Return where a run stands in W&B, in its word where it has no record."""
    return kept.state if remote.has_record or kept.state != "missing" else f"{remote.state} without a record"


def _figures(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name in {**ours, **theirs}:
        if theirs.get(name) != ours.get(name):
            yield f"{name} {theirs.get(name)} in W&B, {ours.get(name)} here"


def _config(name: str, ours: object, theirs: object) -> Iterator[str]:
    """Yield what of the config in W&B, which keeps no empty object, is not as in `run.json`."""
    if isinstance(ours, dict) and isinstance(theirs, dict | None):
        theirs = theirs or {}
        for each in {**ours, **theirs}:
            shown = shortened(each) if each.isprintable() else short(each)  # anybody may have written it
            yield from _config(f"{name}.{shown}", ours.get(each), theirs.get(each))
    elif theirs != ours:
        yield f"config {name} {short(theirs)} in W&B, {short(ours)} in run.json"


def _epochs(here: Record, history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which epochs, counted as in W&B, its history lacks, doubles, or has other than `metrics.jsonl`."""
    lines = [line for line in history if isinstance(epoch := line.get("epoch"), int | float) and 0 <= epoch <= MOST]
    times = Counter(line["epoch"] for line in lines)
    by_epoch = {line["epoch"]: line for line in reversed(lines)}
    ours = {figures["epoch"]: figures for figures in (_steady_figures(here.run, line) for line in here.metrics)}
    if missing := [epoch for epoch in ours if epoch not in by_epoch]:
        yield f"history in W&B lacks {_numbered(missing)}"
    if more := [epoch for epoch in by_epoch if epoch not in ours]:
        yield f"history in W&B has {_numbered(more)}, which metrics.jsonl has not"
    if doubled := [epoch for epoch, count in times.items() if count > 1]:
        yield f"history in W&B has {_numbered(doubled)} more than once"
    for epoch in [epoch for epoch in ours if epoch in by_epoch]:
        for name, figure in ours[epoch].items():
            if by_epoch[epoch].get(name) != figure:
                yield f"epoch {epoch}: {name} {short(by_epoch[epoch].get(name))} in W&B, {figure} in metrics.jsonl"


def _steady_figures(run: Run, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return an epoch's figures by their names in W&B, without those that an attempt measures anew."""
    return epoch_figures(run, {name: figure for name, figure in flat(line).items() if name not in TIMES})


def _numbered(epochs: Sequence[float]) -> str:
    shown = ", ".join(f"{epoch:g}" for epoch in epochs[:8])
    return f"epoch{'s' * (len(epochs) > 1)} {shown}{' ...' * (len(epochs) > 8)}"
