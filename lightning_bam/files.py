"""JSON files that are whole or absent, and the one line that says what is wrong with one that is not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class FolderError(ValueError):
    """A run folder that cannot be read or written; the message is one line that names the file."""


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None where there is no such file.

    Raises:
        FolderError: a file that cannot be read, is torn, or holds something else.

    """
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path}: cannot be read ({error})") from None
    except ValueError as error:
        raise FolderError(f"{path}: torn or not JSON ({error}); remove this run folder to train it again") from None
    if not isinstance(data, dict):
        raise FolderError(f"{path}: holds {str(data)[:40]!r}, not an object; remove this run folder to train it again")
    return data


def write_object(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object; see `replace`."""
    replace(path, json.dumps(data, indent=1) + "\n")


def replace(path: Path, text: str) -> None:
    """Put `text` in place in one step: a reader, and a crash, sees the old file or the new one.

    Raises:
        FolderError: it cannot be written; the old file is as it was.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FolderError(f"{path}: cannot be written ({error.strerror})") from None
