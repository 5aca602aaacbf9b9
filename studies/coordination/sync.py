"""Run folders through PostgreSQL: where hosts share no folder, a run's record is what one writes there and others read.

Checkpoints and the logs of runs that went well stay where they are: an interrupted run goes on from its checkpoint on a
host that sees it, and from the start on any other.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import Run, from_dict, to_dict
from lightning_bam.run_folder.files import (
    FolderError,
    put_away,
    read_bytes,
    read_object,
    read_tail,
    unwritable,
    write_object,
)
from lightning_bam.run_folder.files import replace as put
from lightning_bam.run_folder.folder import SCHEMA, RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT
from lightning_bam.run_folder.manifest import manifest_of
from lightning_bam.run_folder.result import Result, so_far
from lightning_bam.user_code import keep
from studies.coordination.coordination import Coordination
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record, agree, gather, refuse_unknown

JSON: Final = ("run.json", "manifest.json", "result.json")
METRICS: Final = "metrics.jsonl"
LOGS: Final = re.compile(r"(rank|launcher)[0-9]{0,4}\.log")
"""What a rank's or a launcher's log is called; with `JSON` and `METRICS`, all that a record may hold."""
LOG_TAIL: Final = 20_000
"""Characters of a failed run's log that are worth sending."""
MOST_LOGS: Final = 64
"""Logs that are worth sending: one in which every rank says the same is enough."""
CODE: Final = "code"
"""Under which name a record holds the files of the user's own that it was trained with."""
MOST_FILES: Final = 100
MOST_CODE: Final = 1_000_000
"""Files of the user's own that are sent, and characters in them."""
LINE: Final = 2**16
"""Characters of an epoch's line; those of a training have three hundred, and a hundred or two for each gate."""


def pack(folder: RunFolder) -> dict[str, Any]:
    """Return what another host needs to know of a run that has ended."""
    record: dict[str, Any] = {name: read_object(folder.at(name)) for name in JSON}
    logs = sorted(path.name for path in folder.path.glob("*.log") if LOGS.fullmatch(path.name))
    for name in (METRICS, *logs[:MOST_LOGS]):
        if folder.has(name):
            path = folder.at(name)
            record[name] = read_bytes(path).decode(errors="replace") if name == METRICS else read_tail(path, LOG_TAIL)
    if kept := folder.manifest().code:
        record[CODE] = keep.read(folder.path.parent, kept)
    return record


def unpack(folder: RunFolder, record: dict[str, Any]) -> None:
    """Write a record as a run folder, its result last, unless somebody here trains the run or has finished it.

    The checkpoint and the epochs of another attempt are put away; names that no record has are passed over.
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
        if folder.has("result.json"):
            return
        for stale in (CHECKPOINT, METRICS):
            put_away(Path(folder.at(stale)))  # not removed: whoever writes to the database may have made the record up
        for name, content in record.items():
            if isinstance(content, str) and (name == METRICS or LOGS.fullmatch(name)):
                put(folder.at(name), content)
        if files := record.get(CODE):
            keep.write(folder.path.parent, keep.name_of(files), files)
        for name in JSON:
            if record.get(name) is not None:
                write_object(folder.at(name), record[name])
    except OSError as error:
        raise unwritable(folder.path, error) from None
    finally:
        os.close(lock)


def fetch(hosts: Coordination, root: Path, runs: Iterable[Run]) -> list[str]:
    """Write the folders of those of these runs that have ended elsewhere only; return the keys of torn records."""
    news = _news(hosts, root, runs)
    for key, record in news.items():
        if record is not None:
            unpack(RunFolder(root / key), record)
    return [key for key, record in news.items() if record is None]


def warn_of_torn(study: Study, keys: Sequence[str]) -> None:
    """Say on stderr of which runs the database holds nothing that could be read, if there are any."""
    if keys:
        line = "the database holds no whole record of them; they count as not trained"
        print(f"bam: {study.label}: {len(keys)} runs (as {keys[0]}): {line}", file=sys.stderr)


def _news(hosts: Coordination, root: Path, runs: Iterable[Run]) -> dict[str, dict[str, Any] | None]:
    """Return the records of those of these runs that have ended on another host and not here; None for a torn one."""
    entries = hosts.entries()
    ended = {}
    for run in runs:
        entry = entries.get(run.key)
        folder = RunFolder.of(root, run)
        if entry is None or folder.has("result.json"):
            continue
        if entry.state == "complete" or (entry.state == "failed" and folder.state() in ("missing", "interrupted")):
            ended[run.key] = run
    records = hosts.records(ended)
    return {key: records[key] if whole(run, records.get(key, {})) else None for key, run in ended.items()}


def whole(run: Run, record: Mapping[str, Any]) -> bool:
    """Say whether the record of a run that has ended is one, whoever wrote it; other versions are for its reader."""
    try:
        return _bounded(run, record) and _consistent(run, record)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return False  # what it holds is of other types, or of sizes that no figure has


def _bounded(run: Run, record: Mapping[str, Any]) -> bool:
    """Say whether a record holds what `pack` writes: its names, objects and texts, none larger than a run's."""
    texts = {name: content for name, content in record.items() if name not in (*JSON, CODE)}
    code = record.get(CODE, {})
    json.dumps(record, ensure_ascii=False).encode()  # a text that no file can hold raises
    return (
        len(texts) <= MOST_LOGS + 1
        and all(isinstance(text, str) and (name == METRICS or LOGS.fullmatch(name)) for name, text in texts.items())
        and all(len(text) <= LOG_TAIL for name, text in texts.items() if name != METRICS)
        and texts.get(METRICS, "").count("\n") <= run.recipe.epochs
        and all(len(line) <= LINE for line in texts.get(METRICS, "").split("\n"))
        and isinstance(record.get("run.json"), dict)
        and all(isinstance(record.get(name), dict | None) for name in JSON)
        and isinstance(code, dict)
        and len(code) <= MOST_FILES
        and sum(len(text) for text in code.values()) <= MOST_CODE
        and (record.get("manifest.json") or {}).get("code") == (keep.name_of(code) if code else None)
    )


def _consistent(run: Run, record: Mapping[str, Any]) -> bool:
    """Say whether a record is this run's, and its parts agree; whatever its reader raises says that they do not."""
    json.dumps(record, allow_nan=False)  # 1e999 is read as infinity, which no file of a run holds
    described: dict[str, Any] = record["run.json"]
    later = type(described["schema"]) is int and described["schema"] != SCHEMA
    same = later or described["run"] == to_dict(run) or from_dict(described["run"]).key == run.key
    manifest, data = manifest_of(record.get("manifest.json") or {}, run.key), record.get("result.json")
    if not same or described["key"] != run.key or manifest.key not in (None, run.key):
        return False
    if not isinstance(manifest.sha256, dict | None):
        return False
    folder = RunFolder(run.key)  # no folder is looked into
    *lines, tail = record.get(METRICS, "").split("\n")
    folder.metrics(lines)
    if data is None:
        return manifest.state == "failed"
    if run.actual_task.code or {field.name for field in fields(Result)}.issuperset(data):  # else another version's
        agree(folder, run, Result.of(data), lines, so_far(run, folder.last_epoch(lines)[1]))
        return not tail
    return True


def _merge(record: Record, news: dict[str, Any] | None) -> Record:
    """Return the record of a run as it will be here once the news of it from another host, if any, is fetched."""
    if news is None or record.state == "running":
        return record
    lines = news.get(METRICS, "").split("\n")[:-1]
    metrics, data = record.folder.metrics(lines), news.get("result.json")
    try:
        result = Result.of(data) if data else None
    except TypeError as error:
        raise FolderError(f"{record.run.key}: its result was written by another version ({error})") from None
    if result is not None:
        refuse_unknown(f"{record.run.key}: its result", record.run, result)
    merged = replace(record, state="complete" if result else "failed", result=result, epochs=len(metrics))
    vars(merged).update(
        manifest=manifest_of(news.get("manifest.json") or {}, record.run.key), metrics=metrics
    )  # what else would be read from files
    return merged


def publish_finished(hosts: Coordination, records: Iterable[Record]) -> None:
    """Publish runs that were finished here without the other hosts, or whose scheduler died before it could."""
    entries = hosts.entries()
    for record in records:
        entry = entries.get(record.run.key)
        if record.result is not None and (entry is None or entry.state != "complete"):
            hosts.publish(record.run.key, "complete", pack(record.folder))


def forget(root: Path, url: str, keys: Iterable[str]) -> None:
    """Remove what the database holds of these runs, so that they are trained again; an error where somebody has one."""
    from studies.coordination.registry import open_registry

    with closing(open_registry(root, url)) as hosts:
        entries = hosts.entries()
        for key in keys:
            entry, folder = entries.get(key), root / key
            if (folder / "run.json").exists():
                raise FolderError(
                    f"--again {key}: {folder} is still here; remove it, here and on every host that has it"
                )
            if entry is not None and entry.elsewhere:
                raise StudyError(f"--again {key}: another host trains it; wait until it has ended")
        hosts.forget(keys)


def gather_everywhere(study: Study, root: Path, url: str | None, *, keep: bool = True) -> list[Record]:
    """Join every run of `study` with its folder under `root`, after fetching those that ended on other hosts.

    These are in PostgreSQL at `url`; None means this folder alone. What is fetched is written under `root` with `keep`,
    else it is in the returned records alone. A `FolderError` for a folder that cannot be trusted.
    """
    if url is None:
        return gather(study, root)
    from studies.coordination.registry import open_registry

    with closing(open_registry(root, url)) as hosts:
        runs = [cell.run for cell in study.runs()]
        if keep:
            warn_of_torn(study, fetch(hosts, root, runs))
            return mark_elsewhere(gather(study, root), hosts)
        news, records = _news(hosts, root, runs), gather(study, root)
        warn_of_torn(study, [key for key, record in news.items() if record is None])
        return mark_elsewhere([_merge(record, news.get(record.run.key)) for record in records], hosts)


def mark_elsewhere(records: list[Record], hosts: Coordination) -> list[Record]:
    """Return the records with those called running that another host trains; a folder's lock here says more."""
    elsewhere = {key for key, entry in hosts.entries().items() if entry.elsewhere}
    return [
        replace(record, state="running")
        if record.run.key in elsewhere and record.state in ("missing", "interrupted", "failed", "pruned")
        else record
        for record in records
    ]
