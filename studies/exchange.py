"""Run folders through PostgreSQL: where hosts share no folder, a run's record is what one writes there and others read.

Checkpoints and the logs of runs that went well stay where they are: a lost run goes on from its checkpoint on a host
that sees it, and from the start on any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_bam.config import Run
from lightning_bam.files import FolderError, read_object, unwritable, write_object
from lightning_bam.files import replace as put
from lightning_bam.folder import RunFolder
from lightning_bam.result import Result
from studies.error import StudyError
from studies.headline import so_far
from studies.records import Record, agree, gather
from studies.study import Study

if TYPE_CHECKING:  # SQLAlchemy is loaded only where there is a database
    from studies.registry import Registry

JSON: Final = ("run.json", "manifest.json", "result.json")
LOG_TAIL: Final = 20_000
"""Characters of a failed run's log that are worth sending."""


def pack(folder: RunFolder) -> dict[str, Any]:
    """Return what another host needs to know of a run that has ended."""
    record: dict[str, Any] = {name: read_object(folder.path / name) for name in JSON}
    for path in (folder.path / "metrics.jsonl", *folder.path.glob("*.log")):
        if path.exists():
            text = path.read_text(errors="replace")
            record[path.name] = text if path.suffix == ".jsonl" else text[-LOG_TAIL:]
    return record


def unpack(folder: RunFolder, record: dict[str, Any]) -> None:
    """Write a record as a run folder, its result last, unless somebody here trains the run or has finished it.

    What was half trained here goes first: its checkpoint and its epochs are another attempt's than the record's.

    Raises:
        FolderError: it cannot be written.

    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = folder.acquire()
    except OSError as error:
        raise FolderError(
            f"{folder.path}: cannot be written ({error.strerror}); what other hosts have is kept there: give a --root "
            "that can be written"
        ) from None
    if lock is None:
        return
    try:
        if (folder.path / "result.json").exists():
            return
        for stale in (folder.checkpoint, folder.path / "metrics.jsonl"):
            stale.unlink(missing_ok=True)
        for name, content in record.items():
            if isinstance(content, str):
                put(folder.path / name, content)
        for name in JSON:
            if record.get(name) is not None:
                write_object(folder.path / name, record[name])
    except OSError as error:
        raise unwritable(folder.path, error) from None
    finally:
        os.close(lock)


def fetch(registry: Registry, root: Path, runs: Iterable[Run]) -> list[str]:
    """Write the folders of those of these runs that have ended on another host and are not known here.

    Returns:
        The keys of those of which the database holds nothing that could be read: nobody has trained them.

    Raises:
        FolderError: one of them cannot be written.

    """
    news = _news(registry, root, runs)
    for key, record in news.items():
        if record is not None:
            unpack(RunFolder(root / key), record)
    return [key for key, record in news.items() if record is None]


def _news(registry: Registry, root: Path, runs: Iterable[Run]) -> dict[str, dict[str, Any] | None]:
    """Return the records of those of these runs that have ended on another host and are not known here.

    None stands for one that is torn, or contradicts itself.
    """
    entries = registry.entries()
    wanted = {}
    for run in runs:
        entry = entries.get(run.key)
        folder = root / run.key
        if entry is None or (folder / "result.json").exists():
            continue
        if entry.state == "complete" or (entry.state == "failed" and RunFolder(folder).state() in ("missing", "lost")):
            wanted[run.key] = run
    found = registry.records(wanted)
    return {key: found[key] if whole(run, found.get(key, {})) else None for key, run in wanted.items()}


def whole(run: Run, record: dict[str, Any]) -> bool:
    """Say whether the record of a run that has ended is one; what another version wrote is for its reader to refuse."""
    if (record.get("run.json") or {}).get("key") != run.key:
        return False
    folder, data = RunFolder(run.key), record.get("result.json")  # no folder is looked into
    *lines, tail = record.get("metrics.jsonl", "").split("\n")
    try:
        folder.metrics(lines)
        if data is None:
            return (record.get("manifest.json") or {}).get("state") == "failed"
        agree(folder, run, Result(**data), lines, so_far(run, folder.last_epoch(lines)[1]))
    except FolderError:
        return False
    except TypeError:  # figures of another version
        return True
    return not tail


def opened(record: Record, news: dict[str, Any] | None) -> Record:
    """Return the record of a run as it will be here once the news of it from another host is fetched, if there is any.

    Raises:
        FolderError: another version wrote it.

    """
    if news is None or record.state == "running":
        return record
    lines = news.get("metrics.jsonl", "").split("\n")[:-1]
    metrics, data = record.folder.metrics(lines), news.get("result.json")
    try:
        result = Result(**data) if data else None
    except TypeError as error:
        raise FolderError(f"{record.run.key}: its result was written by another version ({error})") from None
    found = replace(record, state="complete" if result else "failed", result=result, epochs=len(metrics))
    vars(found).update(manifest=news.get("manifest.json") or {}, metrics=metrics)  # what else would be read from files
    return found


def tell_finished(registry: Registry, records: Iterable[Record]) -> None:
    """Tell the other hosts of runs that were finished here without it, or whose scheduler died before it could tell."""
    entries = registry.entries()
    for record in records:
        entry = entries.get(record.run.key)
        if record.result is not None and (entry is None or entry.state != "complete"):
            registry.publish(record.run.key, "complete", pack(record.folder))


def forget(root: Path, url: str, keys: Iterable[str]) -> None:
    """Take back what the database holds of these runs, so that they are trained again and not fetched.

    Raises:
        FolderError: the folder of one of them is under `root`, and would be told again.
        StudyError: somebody trains one of them, or the database does not answer.

    """
    from studies.leases import open_registry

    with closing(open_registry(root, url)) as registry:
        entries = registry.entries()
        for key in keys:
            entry, folder = entries.get(key), root / key
            if (folder / "run.json").exists():
                raise FolderError(
                    f"--again {key}: {folder} is still here; remove it, here and on every host that has it"
                )
            if entry is not None and entry.state == "running" and entry.alive and not entry.here:
                raise StudyError(f"--again {key}: another host trains it; wait until it has ended")
        registry.forget(keys)


def gather_everywhere(study: Study, root: Path, url: str | None, *, keep: bool = True) -> list[Record]:
    """Join every run of `study` with its folder under `root`, after fetching those that ended on other hosts.

    Args:
        study: whose runs.
        root: the runs folder of this host.
        url: PostgreSQL, or None for this folder alone.
        keep: write what is fetched under `root`; else it is in the records that are returned, and nowhere.

    Raises:
        FolderError: a folder that cannot be trusted.
        StudyError: the database does not answer.

    """
    if url is None:
        return gather(study, root)
    from studies.leases import open_registry

    with closing(open_registry(root, url)) as registry:
        runs = [cell.run for cell in study.runs()]
        if keep:
            fetch(registry, root, runs)
            return seen_from_here(gather(study, root), registry)
        news, records = _news(registry, root, runs), gather(study, root)
        return seen_from_here([opened(record, news.get(record.run.key)) for record in records], registry)


def seen_from_here(records: list[Record], registry: Registry) -> list[Record]:
    """Return the records with those called running that another host is training right now.

    Of a run that was begun here the folder's own lock tells: who had it may have died a moment ago.
    """
    entries = registry.entries()
    told = []
    for record in records:
        entry = entries.get(record.run.key)
        elsewhere = (
            entry is not None
            and entry.state == "running"
            and entry.alive
            and entry.holder is not None
            and not entry.here
        )
        away = elsewhere and record.state in ("missing", "lost", "failed", "pruned")
        told.append(replace(record, state="running") if away else record)
    return told
