"""JSON files that are whole or absent, and the one line that says what is wrong with one that is not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room left, on the disk or in the user's share of it."""
FAULTY: Final = tuple(
    getattr(errno, name)
    for name in ("EIO", "EROFS", "ESTALE", "ENODEV", "ENXIO", "ENOTCONN", "ESHUTDOWN", "EREMOTEIO")
    if hasattr(errno, name)
)
"""What the system says when the disk, or the network that it is behind, has failed."""
BLOCK: Final = 2**14
"""Bytes that are read at a time."""


class FolderError(ValueError):
    """A run folder that cannot be read or written; the message is one line that names the file."""


class FullDiskError(FolderError):
    """There is no room to write; what was there before is as it was."""


def unwritable(path: Path, error: OSError) -> FolderError:
    """Return the one line for a file that could not be written."""
    kind = FullDiskError if error.errno in FULL_DISK else FolderError
    return kind(f"{path}: cannot be written ({error.strerror})")


def system_error(error: BaseException | None) -> OSError | None:
    """Return what the system refused on the way to `error`, if that is what it came from."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def read_text(path: Path | str) -> str:
    """Return what is in a small file, in half the time that `Path.read_text` takes: ten thousand runs have four each.

    Raises:
        OSError: it is not there, or cannot be read.
        UnicodeDecodeError: it holds no text.

    """
    data = b""
    fd = os.open(path, os.O_RDONLY)
    try:
        while len(part := os.read(fd, BLOCK)) == BLOCK:
            data += part
    finally:
        os.close(fd)
    return (data + part).decode()


def read_object(path: Path | str) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None where there is no such file.

    Raises:
        FolderError: a file that cannot be read, is torn, or holds something else.

    """
    try:
        data = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path}: cannot be read ({error})") from None
    except ValueError as error:
        raise FolderError(f"{path}: torn or not JSON ({error}); remove this run folder to train it again") from None
    if not isinstance(data, dict):
        raise FolderError(f"{path}: holds {str(data)[:40]!r}, not an object; remove this run folder to train it again")
    return data


def object_text(data: Mapping[str, Any]) -> str:
    """Return what `write_object` writes: ASCII, so that it is the same bytes everywhere."""
    return json.dumps(data, indent=1) + "\n"


def write_object(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object; see `replace`."""
    replace(path, object_text(data))


def replace(path: Path, text: str) -> None:
    """Put `text` in place in one step: a reader, and a crash, sees the old file or the new one.

    Raises:
        FolderError: it cannot be written; the old file is as it was.

    """
    try:
        with put_in_place(path) as temporary, temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """Yield a file to write, and put it where `path` is in one step; after an error what was there stays.

    Links are followed. What is there and is no file, a pipe or a device, stays what it is and gets the bytes.

    Raises:
        OSError: it cannot be put there.

    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory(prefix="bam-") as folder:
            yield (temporary := Path(folder, "written"))
            with temporary.open("rb") as file, path.open("wb", buffering=0) as there:
                shutil.copyfileobj(file, there)
        return
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(final)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line in a single write, so that a reader never sees half of it, and all of it or nothing.

    Raises:
        FolderError: it cannot be written; the file is as it was.

    """
    data = (line + "\n").encode()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
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
