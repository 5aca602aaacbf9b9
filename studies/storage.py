"""Where Optuna keeps the studies: one journal file under the runs folder."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lightning_bam.files import FolderError


class KernelLock(JournalFileOpenLock):
    """A file lock that the kernel lets go of when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._fd = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._fd)


def journal(root: Path) -> JournalStorage:
    """Open the journal of `root`; optuna-dashboard opens the same file.

    Raises:
        FolderError: `root` cannot be written, or the journal is damaged.

    """
    path = root / "studies.journal"
    try:
        root.mkdir(parents=True, exist_ok=True)
        path.touch()
        lock = KernelLock(root / ".studies.journal.lock")
        lock.acquire()
        try:
            _check_end(path)
        finally:
            lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError(
            f"{path}: torn, or not Optuna's journal ({error}); move it away: the run folders hold every result, "
            "and the next run makes a new journal"
        ) from None
    except OSError as error:
        raise FolderError(
            f"{root}: cannot be written ({error.strerror}); choose another --root or set BAM_ROOT"
        ) from None


def _check_end(path: Path) -> None:
    """Read the last line, which Optuna itself forgives until it has written behind it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**20))
        *_, last, rest = (b"{}\n" + file.read()).split(b"\n")
    if rest:
        raise ValueError(f"it ends in {rest[-20:]!r}")
    json.loads(last)
