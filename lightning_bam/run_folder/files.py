"""JSON files that are whole or absent, and the one line that says what is wrong with one that is not.

Folders of runs are shared, so what lies in them may be somebody else's: a name that comes from there becomes a path
in `inside` alone, and `open_plain` opens plain files alone, never what a link points to.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from lightning_bam.json_text import parse, short

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room left, on the disk or in the user's share of it."""
FAULTY: Final = tuple(
    getattr(errno, name)
    for name in ("EIO", "EROFS", "ESTALE", "ENODEV", "ENXIO", "ENOTCONN", "ESHUTDOWN", "EREMOTEIO")
    if hasattr(errno, name)
)
"""What the system says when the disk, or the network that it is behind, has failed."""
STALE: Final = 3600.0
"""Seconds after which nobody is still writing a file that is not in its place."""
FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
"""What the system says when a file is another user's, and not for this one."""
BLOCK: Final = 2**14
"""Bytes that are read at a time."""
LARGEST: Final = 2**26
"""Bytes of a text file that are read into memory: ten thousand epochs have four million."""
LONGEST_NAME: Final = 255
"""Bytes of a name that a file system takes."""
KINDS: Final = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What may lie where a plain file should."""


class FolderError(ValueError):
    """A run folder that cannot be read or written; the message is one line that names the file."""


class FullDiskError(FolderError):
    """There is no room to write; what was there before is as it was."""


def unwritable(path: Path | str, error: OSError) -> FolderError:
    """Return the one line for a file that could not be written."""
    kind = FullDiskError if error.errno in FULL_DISK else FolderError
    return kind(f"{path}: cannot be written ({error.strerror})")


def system_error(error: BaseException | None) -> OSError | None:
    """Return what the system refused on the way to `error`, if that is what it came from."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def inside(folder: Path, name: object) -> Path:
    """Return the path in `folder` of a name that somebody else wrote, into a store, a manifest or a bundle.

    Raises:
        FolderError: it is not the name of one thing there: empty, hidden, too long, with a separator, no text.

    """
    if (
        not isinstance(name, str)
        or not name.isprintable()  # no control characters, and nothing that UTF-8 cannot write
        or name.startswith(".")
        or not 0 < len(name.encode()) <= LONGEST_NAME
        or "/" in name
        or "\\" in name
    ):
        shown = repr(name[:40]) if isinstance(name, str) else type(name).__name__
        raise FolderError(f"{folder}: {shown} is not the name of anything in it; give one plain name")
    return folder / name


def open_plain(path: Path | str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open a plain file and return its descriptor; a link is not followed, and a pipe is not waited for.

    Raises:
        FolderError: a link, a pipe, a device or a folder is there.
        OSError: it is not there, or the system refuses.

    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, mode)
    except FileNotFoundError:
        raise
    except OSError:
        refuse(path, stat.S_IFREG)
        raise
    there = os.fstat(fd).st_mode
    if not stat.S_ISREG(there):
        os.close(fd)
        raise _refused(path, there)
    return fd


def refuse(path: Path | str, wanted: int) -> None:
    """Refuse what is there and is not of the kind `wanted`, `stat.S_IFREG` or `stat.S_IFDIR`; a link is neither.

    Raises:
        FolderError: it is something else.

    """
    try:
        there = os.lstat(path).st_mode
    except OSError:  # whoever opens it is told
        return
    if stat.S_IFMT(there) != wanted:
        raise _refused(path, there, wanted)


def _refused(path: Path | str, there: int, wanted: int = stat.S_IFREG) -> FolderError:
    kind, usual = (KINDS.get(stat.S_IFMT(mode), "a plain file") for mode in (there, wanted))
    return FolderError(f"{path}: is {kind}, not {usual}; nothing is read or written through it: put {usual} there")


def read_bytes(path: Path | str) -> bytes:
    """Return what is in a small plain file, in half the time of `Path.read_bytes`: ten thousand runs have four each.

    Raises:
        FolderError: it is no plain file, or too large for what it should hold.
        OSError: it is not there, or cannot be read.

    """
    fd = open_plain(path)
    try:
        data = os.read(fd, BLOCK)
        if len(data) == BLOCK:
            with os.fdopen(fd, "rb", closefd=False) as file:
                data += file.read(LARGEST)
            if len(data) > LARGEST:
                raise FolderError(f"{path}: is larger than {LARGEST // 2**20} MiB; it is not what a training writes")
    finally:
        os.close(fd)
    return data


def read_text(path: Path | str) -> str:
    """Return the text in a small plain file; see `read_bytes`.

    Raises:
        FolderError: it is no plain file, or too large for what it should hold.
        OSError: it is not there, or cannot be read.
        UnicodeDecodeError: it holds no text.

    """
    return read_bytes(path).decode()


def read_tail(path: Path | str, most: int = BLOCK * 64) -> str:
    """Return how the text in a plain file ends, as a log's, which may be of any size.

    Args:
        path: where.
        most: bytes of it at most.

    Raises:
        FolderError: it is no plain file.
        OSError: it is not there, or cannot be read.

    """
    with os.fdopen(open_plain(path), "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most).decode(errors="replace")


def read_object(path: Path | str) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None where there is no such file.

    Raises:
        FolderError: a file that cannot be read, is torn, or holds something else.

    """
    try:
        data = parse(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path}: cannot be read ({error})") from None
    except FolderError:
        raise
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{path}: torn or not JSON ({error}); remove this run folder to train it again") from None
    if not isinstance(data, dict):
        raise FolderError(f"{path}: holds {short(data)}, not an object; remove this run folder to train it again")
    return data


def object_text(data: Mapping[str, Any]) -> str:
    """Return what `write_object` writes: ASCII, so that it is the same bytes everywhere."""
    return json.dumps(data, indent=1) + "\n"


def write_object(path: Path | str, data: Mapping[str, Any]) -> None:
    """Write a JSON object; see `replace`."""
    replace(path, object_text(data))


def replace(path: Path | str, text: str, *, follow: bool = False) -> None:
    """Put `text` in place in one step: a reader, and a crash, sees the old file or the new one.

    Args:
        path: where.
        text: what.
        follow: links, as for a file that the user names; else what is replaced is the link.

    Raises:
        FolderError: it cannot be written; the old file is as it was.

    """
    path = Path(path)
    try:
        with put_in_place(path, follow=follow) as temporary, temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def put_in_place(path: Path, *, follow: bool = True) -> Iterator[Path]:
    """Yield the name of a file to make (mode `x`), and put it where `path` is in one step.

    After an error what was there stays.

    Args:
        path: where.
        follow: what the user names is meant: a link is followed, and a pipe or a device stays what it is and gets the
            bytes. Else whatever is there is replaced by the file.

    Raises:
        OSError: it cannot be put there.

    """
    if follow and path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory(prefix="bam-") as folder:
            yield (temporary := Path(folder, "written"))
            with temporary.open("rb") as file, path.open("wb", buffering=0) as there:
                shutil.copyfileobj(file, there)
        return
    final = Path(os.path.realpath(path)) if follow else path
    temporary = final.with_name(f".{final.name}.{os.getpid()}{secrets.randbelow(10**9):09d}")
    try:
        yield temporary
        temporary.replace(final)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
            _sweep(final)


def _sweep(final: Path) -> None:
    """Remove what writers of this file left that were killed, here or on another host: by age, pids say nothing there.

    Raises:
        OSError: the folder cannot be read, or a file in it not removed.

    """
    for name in os.listdir(final.parent):  # noqa: PTH208, a third of the time: every epoch writes
        stale = final.parent / name
        if name.startswith(f".{final.name}.") and name[len(final.name) + 2 :].isdecimal():
            with suppress(FileNotFoundError):
                if stale.lstat().st_mtime < time.time() - STALE:
                    stale.unlink()


def remove(path: Path) -> None:
    """Remove a file, or a link and not what it leads to; where nothing is there, nothing is to be done.

    Raises:
        FolderError: a folder is there.
        OSError: the system refuses.

    """
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        refuse(path, stat.S_IFREG)
        raise


def put_away(path: Path) -> None:
    """Rename a file, if it is there, to end in `.damaged`; an earlier one of that name goes.

    Raises:
        FolderError: a folder has that name.
        OSError: the system refuses.

    """
    there = path.with_suffix(".damaged")
    try:
        with suppress(FileNotFoundError):
            path.replace(there)
    except IsADirectoryError:
        refuse(there, stat.S_IFREG)
        raise


def append_line(path: Path | str, line: str) -> None:
    """Append a line in a single write, so that a reader never sees half of it, and all of it or nothing.

    Raises:
        FolderError: it cannot be written; the file is as it was.

    """
    data = (line + "\n").encode()
    try:
        fd = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise unwritable(path, error) from None
    before = os.fstat(fd).st_size
    try:
        if os.write(fd, data) != len(data):  # a disk that fills up takes a part, and refuses only the rest
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    except OSError as error:
        os.ftruncate(fd, before)
        raise unwritable(path, error) from None
    finally:
        os.close(fd)
