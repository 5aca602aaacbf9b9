"""Where Optuna keeps the studies: one journal file under the runs folder."""

from __future__ import annotations

import fcntl
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
        FolderError: `root` cannot be written.

    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = root / "studies.journal"
        path.touch()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=KernelLock(root / ".studies.journal.lock")))
    except OSError as error:
        raise FolderError(
            f"{root}: cannot be written ({error.strerror}); choose another --root or set BAM_ROOT"
        ) from None
