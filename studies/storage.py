"""Where Optuna keeps the studies: a journal file under the runs folder, or PostgreSQL between hosts."""

from __future__ import annotations

import fcntl
import json
import os
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightning_bam.files import FolderError
from studies.postgres import BEAT, GRACE, address, unreachable


class KernelLock(JournalFileOpenLock):
    """The journal's lock: the kernel lets go of it when its holder dies, and who takes it mends what a dead one tore.

    A writer that is killed or finds the disk full in the middle of a line leaves half of one behind. Nobody has been
    told that it was written, so it is cut off before the next one is.

    A journal that is moved away, replaced or removed under those who write to it has lost what they know by number: to
    take the lock raises `FolderError` from then on.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._path = journal.with_name(f".{journal.name}.lock")
        self._fd = -1
        self._seen = 0

    def acquire(self) -> bool:
        """Wait for the lock, then cut off an unfinished last line."""
        self.release()  # what an interrupt in this method has left open
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        size = _cut_unfinished_line(self._journal)
        if size is None or size < self._seen:  # its whole lines only ever become more
            self.release()
            raise _gone(self._journal)
        self._seen = size
        return True

    def release(self) -> None:
        """Let the lock go."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class Journal(JournalFileBackend):
    """Optuna's journal file, under `KernelLock`; one that is no longer there is said in a line.

    Args:
        path: the file.
        lock: its lock.

    """

    def __init__(self, path: Path, lock: KernelLock) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._path = path

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read the entries from a number on.

        Raises:
            FolderError: the file is no longer there.

        """
        try:
            yield from super().read_logs(log_number_from)
        except FileNotFoundError:
            raise _gone(self._path) from None


def open_storage(root: Path, url: str | None = None) -> BaseStorage:
    """Open the storage of the studies under `root`: its journal, or the database at `url`.

    Args:
        root: the runs folder.
        url: `postgresql://user@host:port/database`; libpq's own variables and `~/.pgpass` give a password.

    Raises:
        FolderError: `root` cannot be written, or its journal is damaged.
        StudyError: an address of something else, or a database that does not answer.

    """
    if url is None:
        return journal(root)
    _make(root)
    return database(url)


def close_storage(storage: BaseStorage) -> None:
    """Close the connections to a database, if it is one."""
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def quiet_heartbeat() -> Iterator[None]:
    """Silence what Optuna says of its heartbeat: that it is experimental, and not kept up by asking (we keep it up)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with")
        yield


def journal(root: Path) -> JournalStorage:
    """Open the journal of `root`; optuna-dashboard opens the same file.

    Raises:
        FolderError: `root` cannot be written, or the journal is damaged.

    """
    path = root / "studies.journal"
    _make(root)
    try:
        path.touch()
        lock = KernelLock(path)
        lock.acquire()
        try:
            _check_end(path)
        finally:
            lock.release()
        return JournalStorage(Journal(path, lock))
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(
            f"{path}: torn, or not Optuna's journal ({error}); move it away while nothing trains there: the run "
            "folders hold every result, and the next run makes a new journal"
        ) from None
    except OSError as error:
        raise _unwritable(root, error) from None


def database(url: str) -> RDBStorage:
    """Open the database at `url` with a heartbeat, so that the trials of a dead host are known for dead.

    Raises:
        StudyError: an address of something else, or a database that does not answer.

    """
    full = address(url)
    with quiet_heartbeat():
        for attempt in range(5):
            try:
                return RDBStorage(
                    full,
                    engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}},
                    heartbeat_interval=BEAT,
                    grace_period=GRACE,
                )
            except SQLAlchemyError as error:
                # two hosts that make the tables at the same time: one of them is refused, and finds them made
                made_twice = isinstance(error, DBAPIError) and "already exists" in str(error.orig)
                if attempt == 4 or not made_twice:
                    raise unreachable(url, error) from None
                time.sleep(0.5)
    raise AssertionError("the loop returns or raises")


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root, error) from None


def _unwritable(root: Path, error: OSError) -> FolderError:
    return FolderError(f"{root}: cannot be written ({error.strerror}); choose another --root or set BAM_ROOT")


def _gone(path: Path) -> FolderError:
    return FolderError(
        f"{path}: was moved away or replaced while it was in use; the run folders hold what was trained, and the same "
        "command goes on with the journal that is there"
    )


def _check_end(path: Path) -> None:
    """Read the last line, which Optuna itself forgives until it has written behind it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**20))
        *_, last, rest = (b"{}\n" + file.read()).split(b"\n")
    if rest:
        raise ValueError(f"it ends in {rest[-20:]!r}")
    json.loads(last)


def _cut_unfinished_line(path: Path) -> int | None:
    """Cut the file behind its last line feed, and return its size in bytes; None where there is no such file."""
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                return 0
            file.seek(size - 1)
            if file.read(1) == b"\n":
                return size
            file.seek(max(0, size - 2**20))
            tail = file.read()
            start = tail.rfind(b"\n") + 1
            whole = start > 0 or size == len(tail)
            if whole and tail[start:].startswith(b"{"):  # anything else is not Optuna's, and not ours to cut
                file.truncate(size - len(tail) + start)
                size += start - len(tail)
            return size
    except FileNotFoundError:
        return None
