"""A study's runs as W&B's API gives them back: their records, checked, as run folders that a table can be built from.

Who may write to the project may have made anything up: a record is written only where it is one of its run, unedited.
"""

import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from lightning_bam.config import Run, from_dict
from lightning_bam.json_text import parse, short
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, altered, recorded
from studies.coordination.sync import JSON, METRICS, unpack, whole
from studies.definition.limits import MOST_SEEDS
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.purpose import KEY
from studies.tracking.connection import NAME, REFUSED, address, isolated_wandb, logged_in, without_folders
from studies.tracking.description import study_tag
from studies.tracking.record import FILE, TYPE, artifact_name

T = TypeVar("T")
U = TypeVar("U")
SCHEME: Final = "wandb:"
WAIT = 20.0
"""Seconds to wait for an answer."""
THREADS: Final = 16
"""Requests at a time."""
PAGE: Final = 100
"""Runs that one request asks for."""
KEYS: Final = 500
"""Runs that one request names."""
LARGEST: Final = 2**24
"""Bytes of a record: those of a training of fifty thousand epochs."""
MOST_ARTIFACTS: Final = 1000
"""Artifacts of one run that are looked through for its record."""
PAUSES: Final = (1.0, 3.0)
"""Seconds before a file is asked for again."""
GONE: Final = 404
STATE: Final = re.compile("[a-z]{1,20}")
"""What a state of W&B is called."""
TOLD: Final = 200
"""Characters of what W&B says is wrong that a message has."""
ALIVE: Final = ("running", "pending")
"""W&B's states of a run that is being trained."""


class Project(NamedTuple):
    """A project of W&B, `wandb:ENTITY/PROJECT`."""

    entity: str
    name: str

    def __str__(self) -> str:
        """Write it as it is given."""
        return f"{SCHEME}{self.entity}/{self.name}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the project that a text names; a StudyError for any other text."""
        names = text.removeprefix(SCHEME).split("/")
        valid = text.startswith(SCHEME) and len(names) == 2 and all(map(_is_name, names))
        if not valid:
            raise StudyError(f"--from {short(text)}: give {SCHEME}ENTITY/PROJECT, as the address of its page has them")
        return cls(*names)


def _is_name(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and len(text) <= NAME and not {*REFUSED} & {*text}


@dataclass(frozen=True, kw_only=True)
class RemoteRun:
    """A run that W&B has: its `state` and `config` there, and whether it has a record; `refused` says why it is none.

    The state is W&B's, but `interrupted` and `pruned` where the run itself has said so at its end.
    """

    key: str
    state: str
    config: Mapping[str, Any]
    has_record: bool = False
    refused: str = ""
    _run: Any = field(repr=False)

    def history(self, most: int) -> list[dict[str, Any]]:
        """Return the lines of its history, at most so many."""
        return [line for line in self._run.history(samples=most, pandas=False) if isinstance(line, dict)]


class _RefusedError(Exception):
    """A record that is none; the message says why, in a few words."""


@contextmanager
def _answered(project: Project) -> Iterator[None]:
    """Say in a StudyError, in one line, whatever the client or its server dies of."""
    try:
        yield
    except (StudyError, FolderError):
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        if "Could not find project" in told:
            wrong = "no such project, or none that this login may read; the address of its page has ENTITY/PROJECT"
        elif isinstance(error, TimeoutError) or "in time" in told:
            wrong = f"no answer from {address()} within {WAIT:g} s"
        else:
            wrong = told[:TOLD] if address() in told else f"{address()}: {told[:TOLD]}"
        raise StudyError(f"--from {project}: {wrong}") from None


def in_parallel(project: Project, work: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """Return what some work that asks W&B gives for each item, in order; a StudyError as soon as one has failed."""
    stop = Event()

    def one(item: T) -> U:
        if stop.is_set():
            raise InterruptedError  # nobody sees it: what has set the event came first
        try:
            return work(item)
        except BaseException:
            stop.set()
            raise

    with _answered(project), ThreadPoolExecutor(THREADS) as pool:
        try:
            return list(pool.map(one, items))
        except BaseException:  # Ctrl-C, too
            stop.set()
            raise


def fetch(project: Project, studies: Sequence[Study], root: Path, held: ExitStack) -> dict[str, RemoteRun]:
    """Write what W&B has of these studies under `root`, and return by key the runs that it has.

    These are the studies' own, and others that were trained for one of them. Of the first also those without a record
    get a folder, whose lock of a run in training is `held`. A StudyError, within about `WAIT`, where W&B does not give
    them.
    """
    runs = {cell.run.key: cell.run for study in studies for cell in study.runs()}
    with _answered(project):
        if not logged_in():
            raise StudyError(f"--from {project}: not logged in to {address()}; `wandb login` does that")
        listed = _listed(project, {study_tag(study.label) for study in studies}, list(runs))
    fetched = in_parallel(project, lambda run: _fetched(run, runs.get(run.id), root), listed)
    for one in fetched:
        if not one.has_record and not one.refused and one.key in runs and one.state != "finished":
            _mark(runs[one.key], one, root, held)
    return {one.key: one for one in fetched}


def _listed(project: Project, tags: Iterable[str], keys: Sequence[str]) -> list[Any]:
    """Return W&B's runs that have one of the tags or keys, whose ids are keys."""
    api = isolated_wandb().Api(timeout=WAIT)
    found: dict[str, Any] = {}

    def ask(filters: Mapping[str, Any], *, lazy: bool = False) -> None:
        runs = api.runs(f"{project.entity}/{project.name}", filters=filters, per_page=PAGE, lazy=lazy)
        try:
            for run in islice(runs, MOST_SEEDS):
                if isinstance(run.id, str) and KEY.fullmatch(run.id):
                    found.setdefault(run.id, run)
        except Exception as error:
            if lazy or not _is_malformed(error):
                raise
            api.flush()  # it would go on with the same list
            ask(filters, lazy=True)  # one of them cannot be read: each by itself

    with without_folders():
        ask({"tags": {"$in": sorted(tags)}})
        missing = [key for key in keys if key not in found]
        for first in range(0, len(missing), KEYS):
            ask({"name": {"$in": missing[first : first + KEYS]}})
    return list(found.values())


def _fetched(found: Any, run: Run | None, root: Path) -> RemoteRun:
    """Return what W&B has of one run, once its record is written under `root`; `run` as the study has it, if it has."""
    state = found.state if isinstance(found.state, str) and STATE.fullmatch(found.state) else "unknown"
    config, told = _object(found, "config"), _object(found, "summary_metrics").get("state")
    if told in ("interrupted", "pruned") and state not in ALIVE:
        state = told
    remote = RemoteRun(key=found.id, state=state, config=config, _run=found)
    try:
        content = _record(found)
        written = content is not None and _write(remote, run, content, root)
    except _RefusedError as error:
        return replace(remote, refused=str(error))
    return replace(remote, has_record=written)


def _object(found: Any, name: str) -> dict[str, Any]:
    """Return an attribute of a run of W&B that is an object; an empty one where it is none."""
    try:
        value = getattr(found, name)
    except Exception as error:
        if not _is_malformed(error):
            raise
        return {}
    return value if isinstance(value, dict) else {}


def _is_malformed(error: Exception) -> bool:
    """Say whether W&B's client could not read what a server has sent of a run, as a summary that is a list."""
    return isinstance(getattr(error, "exc", error), TypeError | ValueError)


def _record(found: Any) -> bytes | None:
    """Return the newest record that a run of W&B itself has logged; None where it has logged none."""
    logged = islice(found.logged_artifacts(per_page=PAGE), MOST_ARTIFACTS)
    name = artifact_name(found.id)
    versions = [one for one in logged if one.type == TYPE and one.name.partition(":")[0] == name]
    if not versions:
        return None
    newest = max(versions, key=lambda one: int(re.sub(r"\D", "", one.version) or 0))
    for file in newest.files(names=[FILE]):
        if file.name == FILE:
            return _download(file.direct_url, file.size)
    raise _RefusedError(f"without a {FILE}")


def _download(url: str, size: int) -> bytes:
    """Return a file of `size` bytes; tried again where its server refuses."""
    if size > LARGEST:
        raise _RefusedError(f"larger than {LARGEST // 2**20} MiB")
    if urlsplit(url).scheme not in ("http", "https"):
        raise _RefusedError("stored elsewhere than in W&B")
    for pause in (*PAUSES, None):
        try:
            content = _bytes(url, size)
        except OSError as error:
            if getattr(error, "code", None) == GONE:
                raise _RefusedError("gone") from None
            if pause is None or isinstance(error, TimeoutError):
                raise
            time.sleep(pause)
        else:
            break
    if len(content) != size:
        raise _RefusedError(f"not of {size} bytes, as W&B has it")
    return content


def _bytes(url: str, most: int) -> bytes:
    """Return what stands at an address, not much more than `most` bytes of it, within about `WAIT`."""
    content, deadline = b"", time.monotonic() + WAIT
    with urllib.request.urlopen(url, timeout=WAIT) as answer:
        while len(content) <= most and (chunk := answer.read1(2**16)):
            content += chunk
            if time.monotonic() > deadline:
                raise TimeoutError
    return content


def _write(remote: RemoteRun, run: Run | None, content: bytes, root: Path) -> bool:
    """Write a record as the folder of its run, and say so: that of a failure counts as long as no attempt follows."""
    try:
        record = parse(content)
        run = run or from_dict(record["run.json"]["run"])
        names = set(record)
        manifest = dict(record["manifest.json"] or {})
        complete = record["result.json"] is not None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise _RefusedError("no record of a run") from None
    manifest.pop("code", None)  # the files of the user's own are not sent to W&B
    if run.key != remote.key or names - {*JSON, METRICS} or not whole(run, {**record, "manifest.json": manifest}):
        raise _RefusedError("not what the training of this run writes")
    if not complete and remote.state != "failed":
        return False
    folder = RunFolder.of(root, run)
    unpack(folder, record)
    if complete and not _unedited(folder):
        shutil.rmtree(folder.path)
        raise _RefusedError("edited: its hashes are of other files")
    return True


def _unedited(folder: RunFolder) -> bool:
    """Say whether a complete run's files are those whose hashes its manifest has."""
    try:
        digests = {name: digest for name, digest in recorded(folder).items() if name != CHECKPOINT}
        return not altered(folder, digests)
    except FolderError:
        return False


def _mark(run: Run, remote: RemoteRun, root: Path, held: ExitStack) -> None:
    """Make a folder of a run that W&B has without a record; of one in training the lock is held."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    folder.note(key=run.key, state="pruned" if remote.state == "pruned" else "interrupted")
    if remote.state in ALIVE and (lock := folder.acquire()) is not None:
        held.callback(os.close, lock)
