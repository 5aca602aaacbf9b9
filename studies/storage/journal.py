"""Optuna's journal file under the runs folder: whole lines only, and one that is no longer there is noticed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lightning_bam.run_folder.files import FolderError, open_plain
from lightning_bam.run_folder.lock import LIMIT, open_lock, wait_for
from studies.storage.checked_trials import STUMBLES, is_entry
from studies.storage.postgres import patience

HEAD: Final = 1024
"""Bytes by which a journal is known again: its first entry names the process that wrote it."""


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
        self._head = b""

    def acquire(self) -> bool:
        """Wait for the lock, then cut off an unfinished last line.

        Raises:
            FolderError: somebody has had it for too long, or the journal is another one.

        """
        self.release()  # what an interrupt in this method has left open
        self._fd = open_lock(self._path, self._journal.parent)
        try:
            wait_for(self._fd, self._path, patience.at_most(LIMIT))
            self._look()
        except BaseException:
            self.release()
            raise
        return True

    def _look(self) -> None:
        """Mend the journal, and see that it is the one that it was: whole lines only ever become more."""
        try:
            with os.fdopen(open_plain(self._journal, os.O_RDWR), "r+b") as file:
                size = _cut_unfinished_line(file)
                self.recognise(file)
        except FileNotFoundError:
            raise _gone(self._journal) from None
        self._seen = size

    def recognise(self, file: BinaryIO) -> None:
        """See that an open journal is the one that it was.

        Raises:
            FolderError: it is another one.

        """
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(min(HEAD, size))
        if size < self._seen or not head.startswith(self._head):
            raise _gone(self._journal)
        self._head = self._head or head[: head.rfind(b"\n") + 1]

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
        self._known = lock

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read the entries from a number on.

        One that Optuna cannot have written is read as one that says nothing.

        Raises:
            FolderError: the file is no longer there, or is another one, or torn.

        """
        try:
            with os.fdopen(open_plain(self._path), "rb") as file:
                self._known.recognise(file)
            for entry in super().read_logs(log_number_from):
                if is_entry(entry):
                    yield entry
                else:
                    passed_over(self._path.absolute())
                    yield NOTHING
        except FileNotFoundError:
            raise _gone(self._path) from None
        except FolderError:
            raise
        except (ValueError, RecursionError) as error:
            raise _torn(self._path, error) from None


class Account(JournalStorage):
    """Optuna's storage in a journal; an entry of another process that makes no sense is passed over by all alike.

    Args:
        path: the file.
        lock: its lock.

    """

    def __init__(self, path: Path, lock: KernelLock) -> None:
        self.path = path
        super().__init__(Journal(path, lock))

    def _sync_with_backend(self) -> None:
        read = self._replay_result
        for entry in self._backend.read_logs(read.log_number_read):
            try:
                read.apply_logs((entry,))
            except STUMBLES:
                if entry.get("worker_id") == read.worker_id:
                    raise
                passed_over(self.path.absolute())


NOTHING: Final[dict[str, Any]] = {
    "op_code": 8,  # a trial's user attribute
    "worker_id": "",
    "trial_id": -1,
    "user_attr": {"": ""},
}
"""An entry about a trial that there is not, which Optuna passes over."""


@cache
def passed_over(journal: Path) -> None:
    """Say once that a journal has entries that nobody's Optuna can have written."""
    print(f"bam: {journal}: entries that Optuna cannot have written are passed over", file=sys.stderr)


def journal(root: Path) -> JournalStorage:
    """Open the journal of `root`; optuna-dashboard opens the same file.

    Raises:
        FolderError: `root` cannot be written, or the journal is damaged.

    """
    path = root / "studies.journal"
    make_root(root)
    try:
        os.close(open_plain(path, os.O_RDWR | os.O_CREAT))
        lock = KernelLock(path)
        lock.acquire()
        try:
            _check_end(path)
        finally:
            lock.release()
        return Account(path, lock)
    except FolderError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _torn(path, error) from None
    except OSError as error:
        raise _unwritable(root, error) from None


def make_root(root: Path) -> None:
    """Make the runs folder.

    Raises:
        FolderError: it cannot be written.

    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root, error) from None


def _unwritable(root: Path, error: OSError) -> FolderError:
    return FolderError(f"{root}: cannot be written ({error.strerror}); choose another --root or set BAM_ROOT")


def _torn(path: Path, error: Exception) -> FolderError:
    return FolderError(
        f"{path}: torn, or not Optuna's journal ({error}); move it away while nothing trains there: the run "
        "folders hold every result, and the next run makes a new journal"
    )


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


def _cut_unfinished_line(file: BinaryIO) -> int:
    """Cut a file behind its last line feed, and return its size in bytes."""
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
