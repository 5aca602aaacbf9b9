"""JSON files that are whole or absent, and the one line that says what is wrong with one that is not.

Folders of runs are shared: a name that somebody else wrote becomes a path in `inside` alone, and `open_plain` opens
plain files alone, never what a link points to.
"""

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
from io import FileIO
from pathlib import Path
from typing import Any, Final

from lightning_bam.json_text import parse, short

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room left, on the disk or in the user's share of it."""
FAULTY: Final = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN)
"""What the system says when the disk, or the network that it is behind, has failed."""
FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
"""What the system says when a file is another user's, and not for this one."""
STALE: Final = 3600.0
"""Seconds after which nobody is still writing a file that is not in its place."""
TAIL: Final = 2**20
"""Bytes of a log that are read, its last ones."""
LARGEST: Final = 2**26
"""Bytes of a text file that are read into memory: ten thousand epochs have four million."""
LONGEST_NAME: Final = 255
"""Bytes of a name that a file system takes."""
KINDS: Final = {
    stat.S_IFREG: "a plain file",
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


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
    """Return the path in `folder` of a name that somebody else wrote; FolderError for none of one visible file."""
    if (
        not isinstance(name, str)
        or not name.isprintable()  # no control characters, and nothing that UTF-8 cannot write
        or name.startswith(".")
        or not 0 < len(name.encode()) <= LONGEST_NAME
        or {"/", "\\"} & set(name)
    ):
        raise FolderError(f"{folder}: {short(name)} is not the name of anything in it; give one plain name")
    return folder / name


def open_plain(path: Path | str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open a plain file and return its descriptor; FolderError for a link, a pipe, a device or a folder."""
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, mode)
    except OSError:
        refuse(path, stat.S_IFREG)
        raise
    try:
        _require(path, os.fstat(fd).st_mode, stat.S_IFREG)
    except FolderError:
        os.close(fd)
        raise
    return fd


def refuse(path: Path | str, kind: int) -> None:
    """Raise FolderError for what is there and not of this kind, `stat.S_IFREG` or `stat.S_IFDIR`; a link is neither."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # whoever opens it meets it, too
        return
    _require(path, mode, kind)


def _require(path: Path | str, mode: int, kind: int) -> None:
    if stat.S_IFMT(mode) != kind:
        other, usual = KINDS.get(stat.S_IFMT(mode), "a device"), KINDS[kind]
        raise FolderError(f"{path}: is {other}, not {usual}; nothing is read or written through it: put {usual} there")


def read_bytes(path: Path | str) -> bytes:
    """Return what is in a small plain file; FolderError for any other, OSError where it is not there or unreadable."""
    with FileIO(open_plain(path)) as file:  # unbuffered: it is read in one go
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise FolderError(f"{path}: is larger than {LARGEST // 2**20} MiB; it is not what a training writes")
        return file.read()


def read_text(path: Path | str) -> str:
    """Return the text in a small plain file; raises as `read_bytes` does, and UnicodeDecodeError."""
    return read_bytes(path).decode()


def read_tail(path: Path | str, most: int = TAIL) -> str:
    """Return the last `most` bytes of a plain file of any size, as a log; raises as `open_plain` does."""
    with os.fdopen(open_plain(path), "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most).decode(errors="replace")


def read_object(path: Path | str) -> dict[str, Any] | None:
    """Return the JSON object in `path`, None where there is no such file; FolderError for one that holds none."""
    try:
        data = parse(read_text(path))
    except FileNotFoundError:
        return None
    except FolderError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path}: cannot be read ({error})") from None
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{path}: torn or not JSON ({error}); remove this run folder to train it again") from None
    if not isinstance(data, dict):
        raise FolderError(f"{path}: holds {short(data)}, not an object; remove this run folder to train it again")
    return data


def object_text(data: Mapping[str, Any]) -> str:
    """Return what `write_object` writes: ASCII, so that it is the same bytes everywhere."""
    return json.dumps(data, indent=1) + "\n"


def write_object(path: Path | str, data: Mapping[str, Any]) -> None:
    """Write a JSON object with `replace`."""
    replace(path, object_text(data))


def replace(path: Path | str, text: str, *, follow: bool = False) -> None:
    """Put `text` in place in one step: a reader, and a crash, sees the old file or the new one.

    `follow` as in `put_in_place`. Raises FolderError: it cannot be written.
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
    """Yield the name of a file to make (mode `x`), and put it where `path` is in one step; an error leaves the old one.

    With `follow`, as for a file that the user names, a link is followed, and a pipe or a device gets the bytes; else
    the file replaces what is there. Raises OSError: it cannot be put there.
    """
    if follow and path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory(prefix="bam-") as folder:
            yield (temporary := Path(folder, "written"))
            with temporary.open("rb") as file, path.open("wb", buffering=0) as device:
                shutil.copyfileobj(file, device)
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
    """Remove what killed writers of this file left, here or on another host: by age, since pids say nothing there."""
    for stale in final.parent.iterdir():
        if stale.name.startswith(f".{final.name}.") and stale.name[len(final.name) + 2 :].isdecimal():
            with suppress(FileNotFoundError):
                if stale.lstat().st_mtime < time.time() - STALE:
                    stale.unlink()


def remove(path: Path) -> None:
    """Remove a file, or a link and not what it leads to, if it is there; FolderError for a folder."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        refuse(path, stat.S_IFREG)
        raise


def put_away(path: Path) -> None:
    """Rename a file, if it is there, to end in `.damaged` in the place of an earlier one; FolderError for a folder."""
    damaged = path.with_suffix(".damaged")
    try:
        with suppress(FileNotFoundError):
            path.replace(damaged)
    except IsADirectoryError:
        refuse(damaged, stat.S_IFREG)
        raise


def append_line(path: Path | str, line: str) -> None:
    """Append a line in one write: readers see all of it or nothing. FolderError: it cannot; the file is as it was."""
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


def keep_object(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON to a file that is to stay as it is first written, and make its folder; FolderError where it cannot be.

    Whatever is there already is left alone.
    """
    if os.path.lexists(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    write_object(path, data)
