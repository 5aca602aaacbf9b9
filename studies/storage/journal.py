"""Optuna's journal file under the runs folder: whole lines only, and one that is replaced meanwhile is noticed."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from lightning_bam.run_folder.files import FolderError, open_plain
from lightning_bam.run_folder.lock import LIMIT, open_lock, wait_for
from studies.storage.checked_trials import MALFORMED, is_entry
from studies.storage.postgres import outage

NAME: Final = "studies.journal"
"""The file's name in the runs folder."""
HEAD: Final = 1024
"""Bytes by which a journal is recognised: its first entry names the process that wrote it."""
TAIL: Final = 2**20
"""Bytes that an entry has at most."""
NO_ENTRY: Final[dict[str, Any]] = {"op_code": 8, "worker_id": "", "trial_id": -1, "user_attr": {"": ""}}
"""An attribute of a trial that there is not, which Optuna passes over."""


class Journal(BaseJournalBackend):
    """The file of Optuna's `JournalFileBackend`, here under a lock of the kernel, which its holder's death frees.

    Optuna knows entries by their number: a journal that is replaced or removed under its writers is a `FolderError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts = [0]  # of each entry that was read, and of the next one, in bytes
        self._head = b""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read the entries from a number on, as `NO_ENTRY` those that Optuna cannot have written."""
        with self._open(os.O_RDONLY) as file:
            first = min(log_number_from, len(self._starts) - 1)
            file.seek(self._starts[first])
            for number, line in enumerate(file, first):
                entry = self._entry(line)
                if entry is None:
                    return
                self._starts[number + 1 :] = [self._starts[number] + len(line)]
                if number >= log_number_from:
                    yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries."""
        with self.locked() as file:
            file.write("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode())
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def locked(self) -> Iterator[BinaryIO]:
        """Wait for the lock, and yield the file, without a last line that a dead writer has not finished."""
        path = self.path.with_name(f".{self.path.name}.lock")
        lock = open_lock(path, self.path.parent)
        try:
            wait_for(lock, path, outage.at_most(LIMIT))
            with self._open(os.O_RDWR | os.O_APPEND) as file:
                _cut_unfinished_line(file)
                yield file
        finally:
            os.close(lock)

    @contextmanager
    def _open(self, flags: int) -> Iterator[BinaryIO]:
        """Open the file, and check that it is the one that it was: whole lines only ever become more."""
        try:
            fd = open_plain(self.path, flags)
        except FileNotFoundError:
            raise self._replaced() from None
        with os.fdopen(fd, "rb" if flags == os.O_RDONLY else "r+b") as file:
            head, size = file.read(HEAD), file.seek(0, os.SEEK_END)
            if size < self._starts[-1] or not head.startswith(self._head):
                raise self._replaced()
            self._head = self._head or head[: head.rfind(b"\n") + 1]
            yield file

    def _entry(self, line: bytes) -> dict[str, Any] | None:
        """Return the entry in a line; None for one that is being written."""
        whole = line.endswith(b"\n")
        if not whole and line.startswith(b"{"):
            return None
        try:
            entry: dict[str, Any] = json.loads(line if whole else b"")
        except (ValueError, RecursionError) as error:
            raise FolderError(
                f"{self.path}: torn, or not Optuna's journal ({error}); move it away while nothing trains there: the "
                "run folders hold every result, and the next run makes a new journal"
            ) from None
        if is_entry(entry):
            return entry
        pass_over(self.path.absolute())
        return NO_ENTRY

    def _replaced(self) -> FolderError:
        return FolderError(
            f"{self.path}: was moved away or replaced while it was in use; the run folders hold what was trained, and "
            "the same command goes on with the journal that is there"
        )


class Storage(JournalStorage):
    """Optuna's storage in a journal; an entry of another process that makes no sense is passed over by all alike.

    Optuna has no public way to apply entries one by one: hence its private names, which test_hostile_journal.py tests.
    """

    _backend: Journal

    def _sync_with_backend(self) -> None:
        replay = self._replay_result
        for entry in self._backend.read_logs(replay.log_number_read):
            try:
                replay.apply_logs((entry,))
            except MALFORMED:
                if entry.get("worker_id") == replay.worker_id:
                    raise
                pass_over(self._backend.path.absolute())


@cache
def pass_over(journal: Path) -> None:
    """Say once that a journal has entries that nobody's Optuna can have written."""
    print(f"bam: {journal}: entries that Optuna cannot have written are passed over", file=sys.stderr)


def journal(root: Path) -> JournalStorage:
    """Open the journal of `root`, which optuna-dashboard opens, too; `FolderError` where it is damaged."""
    file = Journal(root / NAME)
    os.close(open_plain(file.path, os.O_RDWR | os.O_CREAT))
    with file.locked():  # who cannot write here learns it before anything is trained
        pass
    return Storage(file)


def _cut_unfinished_line(file: BinaryIO) -> None:
    """Cut a file behind its last line feed; what does not begin as an entry is not Optuna's, and not ours to cut."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - TAIL))
    *whole, last = file.read().rsplit(b"\n", 1)
    if last.startswith(b"{") and (whole or start == 0):
        file.truncate(size - len(last))
