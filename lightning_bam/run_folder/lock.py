"""A lock that its holder's death lets go of: an advisory lock of the kernel (flock) on a file made for it.

It belongs to the open file, not to a process: whoever inherits the descriptor holds it, too, until the last copy is
closed. Whoever may open the file may hold it, so only those may who may write in the folder that it keeps.
"""

import fcntl
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.files import FolderError, open_plain, unwritable

NOTICE: Final = 3.0
"""Seconds of waiting for a lock after which a line says who holds it."""
LIMIT: Final = 600.0
"""Seconds for which a lock is waited for: what is done under one takes seconds, with 100,000 runs a minute or two."""
PAUSE: Final = 0.02
"""Seconds between two tries at most."""
HARMLESS: Final = re.compile(r"[\w./+][\w./+-]*")
"""A word of a command that is shown: no option, no address with a password, nothing that moves a cursor."""
INVISIBLE: Final = "a process that cannot be seen from here (another host's or container's)"


def open_lock(path: Path, root: Path) -> int:
    """Open a lock's file, made if need be, for its owner and for the group where that may write in `root`.

    FileNotFoundError: its folder is missing; FolderError: it is another user's, cannot be made, or is no plain file.
    """
    mode = 0o660 if root.stat().st_mode & stat.S_IWGRP else 0o600
    try:
        fd = open_plain(path, os.O_RDWR | os.O_CREAT, mode)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, error) from None
    status = os.fstat(fd)
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != mode:
        with suppress(OSError):  # a file system without modes
            os.fchmod(fd, mode)
    return fd


def _refused(path: Path, error: OSError) -> FolderError:
    with suppress(OSError, KeyError):  # a user without a name
        if isinstance(error, PermissionError):
            return FolderError(
                f"{path}: this lock is {path.owner()}'s, and this user may not open it (mode "
                f"{stat.S_IMODE(path.stat().st_mode):04o}); share the folder with a group (chmod g+ws), or choose "
                "another one"
            )
    return unwritable(path, error)


def try_lock(fd: int, path: Path) -> bool:
    """Take the lock of an open file, unless somebody has it, and say so; FolderError: its file system has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FolderError(f"{path}: cannot be locked ({error.strerror}); `bam doctor` looks at its disk") from None
    return True


def wait_for(fd: int, path: Path, limit: float | None = None) -> None:
    """Take the lock of an open file once it is free, within `limit` seconds (`LIMIT` for None), else FolderError."""
    limit = LIMIT if limit is None else limit
    if not wait_until(lambda: try_lock(fd, path), str(path), lambda: holder(path), limit):
        raise FolderError(f"{path}: {still_held(holder(path), limit)}")


def wait_until(
    taken: Callable[[], bool], lock: str, who: Callable[[], str], limit: float, pause: float = PAUSE
) -> bool:
    """Call `taken` until it returns True, for at most `limit` seconds spent here; say whether it did.

    After `NOTICE` seconds a line says `who` holds the `lock`. `pause` is the most seconds between two tries.
    """
    waited, notice, step = 0.0, False, 0.001
    while not taken():
        if waited >= limit:
            return False
        if waited >= NOTICE and not notice:
            notice = True
            print(f"bam: {lock}: held by {who()}; waiting for it", file=sys.stderr, flush=True)
        time.sleep(step)
        waited += step
        step = min(2 * step, pause)
    return True


def still_held(who: str, seconds: float) -> str:
    """Say that a lock was waited for in vain."""
    span = f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:.2g} s"
    return f"still held by {who} after {span}; end that process, or wait for its end, then the same command goes on"


def acquire(path: Path, root: Path) -> int | None:
    """Take the lock while the descriptor stays open anywhere; None where another has it, or its folder was removed."""
    try:
        fd = open_lock(path, root)
    except FileNotFoundError:
        return None
    try:
        for _ in range(20):  # a reader of `locked` may hold it for an instant
            if try_lock(fd, path):
                return fd
            if locked(path):  # whoever only reads would share it
                break
            time.sleep(0.02)
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def locked(path: Path | str) -> bool:
    """Say whether somebody holds the lock; a missing file is nobody's, FolderError for one that is no plain file."""
    try:
        fd = open_plain(path)
    except PermissionError:
        return bool(_holders(path))
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def holder(path: Path) -> str:
    """Say which processes hold a lock, as far as they can be seen from here."""
    return " and ".join(_process(number) for number in _holders(path)) or INVISIBLE


def _holders(path: Path | str) -> list[int]:
    """Return the processes of this host that have taken the lock of a file, which need not be open to this user."""
    try:
        status = Path(path).stat()
        lines = Path("/proc/locks").read_text(errors="replace").splitlines()
    except OSError:
        return []
    held = [fields for line in lines if (fields := line.split())[1:2] == ["FLOCK"] and len(fields) > 5]
    inode = f":{status.st_ino}"
    exact = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}{inode}"
    same = [fields for fields in held if fields[5] == exact]
    # btrfs and overlays show users another device than the kernel's own
    return sorted({int(fields[4]) for fields in same or held if fields[5].endswith(inode) and fields[4].isdigit()})


def _process(number: int) -> str:
    import psutil

    try:
        process = psutil.Process(number)
        words = [Path(word).name for word in takewhile(HARMLESS.fullmatch, process.cmdline()[:3])]
        return f"process {number} ({' '.join(words) or 'without a name'}, user {process.username()})"
    except psutil.NoSuchProcess:
        return f"process {number}, which has ended, or one that it has started"
    except psutil.Error:
        return f"process {number}"
