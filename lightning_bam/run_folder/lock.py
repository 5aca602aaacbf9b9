"""A lock that its holder's death lets go of: an advisory lock of the kernel (flock) on a file made for it.

It belongs to the open file, not to a process: whoever inherits the descriptor holds it, too, until the last copy is
closed. Whoever may open the file may hold it, so only those may who may write in the folder that it keeps.
"""

from __future__ import annotations

import fcntl
import os
import pwd
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

TOLD: Final = 3.0
"""Seconds of waiting for a lock after which a line says who holds it."""
LIMIT: Final = 600.0
"""Seconds for which a lock is waited for: what is done under one takes seconds, with 100,000 runs a minute or two."""
PAUSE: Final = 0.02
"""Seconds between two tries at most."""
HARMLESS: Final = re.compile(r"[\w./+][\w./+-]*")
"""A word of a command that is shown: no option, no address with a password, nothing that moves a cursor."""
UNSEEN: Final = "a process that cannot be seen from here (another host's or container's)"


def open_lock(path: Path, root: Path) -> int:
    """Open a lock's file, made if need be, and return its descriptor.

    Only its owner may open it, and the group where `root`, the folder that it keeps, is the group's to write in.

    Raises:
        FileNotFoundError: its folder is gone.
        FolderError: it is another user's, who lets nobody else open it, it cannot be made, or is no plain file.

    """
    mode = 0o660 if root.stat().st_mode & stat.S_IWGRP else 0o600
    try:
        fd = open_plain(path, os.O_RDWR | os.O_CREAT, mode)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise _refused(path, error) from None
    except OSError as error:
        raise unwritable(path, error) from None
    there = os.fstat(fd)
    if there.st_uid == os.geteuid() and stat.S_IMODE(there.st_mode) != mode:
        with suppress(OSError):  # a file system without modes
            os.fchmod(fd, mode)
    return fd


def _refused(path: Path, error: OSError) -> FolderError:
    try:
        there = path.stat()
    except OSError:
        return unwritable(path, error)
    return FolderError(
        f"{path}: this lock is {_user(there.st_uid)}'s, and this user may not open it (mode "
        f"{stat.S_IMODE(there.st_mode):04o}); share the folder with a group (chmod g+ws), or choose another one"
    )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def try_lock(fd: int, path: Path) -> bool:
    """Take the lock of an open file, unless somebody has it; say whether it is ours.

    Raises:
        FolderError: its file system has no locks.

    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FolderError(f"{path}: cannot be locked ({error.strerror}); `bam doctor` looks at its disk") from None
    return True


def wait_for(fd: int, path: Path, limit: float | None = None) -> None:
    """Take the lock of an open file, once it is free.

    Args:
        fd: of the open file.
        path: where it is.
        limit: seconds to wait at most; `LIMIT` for None.

    Raises:
        FolderError: somebody still has it after that, or its file system has no locks.

    """
    limit = LIMIT if limit is None else limit
    if not wait_until(lambda: try_lock(fd, path), str(path), lambda: holder(path), limit):
        raise FolderError(f"{path}: {still_held(holder(path), limit)}")


def wait_until(
    taken: Callable[[], bool], lock: str, who: Callable[[], str], limit: float, pause: float = PAUSE
) -> bool:
    """Try to take a lock again and again; after `TOLD` seconds a line says who holds it.

    What counts is the time spent here: a process that was stopped meanwhile has not waited.

    Args:
        taken: takes it, or returns False.
        lock: what it is called.
        who: says who holds it.
        limit: seconds to wait at most.
        pause: seconds between two tries at most.

    Returns:
        Whether it is ours.

    """
    waited, told, step = 0.0, False, 0.001
    while not taken():
        if waited >= limit:
            return False
        if waited >= TOLD and not told:
            told = True
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
    """Take the lock for as long as the returned descriptor stays open anywhere.

    Returns None where somebody else has it, or where its folder is gone.

    Raises:
        FolderError: it is another user's, who lets nobody else open it, or its file system has no locks.

    """
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
    """Say whether somebody holds the lock; a file that is not there is nobody's.

    Of one that this user may not open, the kernel tells who holds it on this host.

    Raises:
        FolderError: something else than a plain file is there.

    """
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
    return " and ".join(_process(number) for number in _holders(path)) or UNSEEN


def _holders(path: Path | str) -> list[int]:
    """Return the processes of this host that have taken the lock of a file, which need not be open to this user."""
    try:
        there = Path(path).stat()
        lines = Path("/proc/locks").read_text(errors="replace").splitlines()
    except OSError:
        return []
    held = [fields for line in lines if (fields := line.split())[1:2] == ["FLOCK"] and len(fields) > 5]
    inode = f":{there.st_ino}"
    exact = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}{inode}"
    same = [fields for fields in held if fields[5] == exact]
    # btrfs and overlays tell a file's user another device than the kernel's own
    return sorted({int(fields[4]) for fields in same or held if fields[5].endswith(inode) and fields[4].isdigit()})


def _process(number: int) -> str:
    import psutil

    try:
        process = psutil.Process(number)
        words = [Path(word).name for word in takewhile(HARMLESS.fullmatch, process.cmdline()[:3])]
        return f"process {number} ({' '.join(words) or 'its name is not told'}, user {process.username()})"
    except psutil.NoSuchProcess:
        return f"process {number}, which has ended, or one that it has started"
    except psutil.Error:
        return f"process {number}"
