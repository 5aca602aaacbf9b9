"""A lock that its holder's death lets go of: an advisory lock of the kernel (flock) on a file made for it.

It belongs to the open file, not to a process: whoever inherits the descriptor holds it, too, until the last copy is
closed.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from lightning_bam.files import open_plain


def acquire(path: Path) -> int | None:
    """Take the lock for as long as the returned descriptor stays open anywhere.

    Returns None where somebody else has it, or where its folder is gone.

    Raises:
        FolderError: something else than a plain file is there.

    """
    try:
        fd = open_plain(path, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        return None
    for _ in range(20):  # a reader of `locked` may hold it for an instant
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if locked(path):  # whoever only reads would share it
                break
            time.sleep(0.02)
        else:
            return fd
    os.close(fd)
    return None


def locked(path: Path | str) -> bool:
    """Say whether somebody holds the lock; a file that is not there is nobody's.

    Raises:
        FolderError: something else than a plain file is there.

    """
    try:
        fd = open_plain(path)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
