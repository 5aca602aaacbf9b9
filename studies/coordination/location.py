"""Where runs are trained: the host, its runs folder, and which folder that is among all of one name."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from lightning_bam.run_folder.files import FolderError, read_text, unwritable

FILE: Final = ".place"
NUMBER: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Place:
    """A runs folder as a host sees it.

    Two hosts may be named alike and have folders of one path; a number in the folder tells whether it is one and the
    same. The path tells a folder from its copy on the same host.

    Attributes:
        host: the machine's name.
        root: the folder's path, absolute.
        folder: the number in it; empty where nothing has been trained in it yet.

    """

    host: str
    root: str
    folder: str

    @classmethod
    def of(cls, root: Path) -> Place:
        """Return the place of a runs folder, as far as it is marked; nothing is written.

        Raises:
            FolderError: its mark is none that `marked` makes; it would go into the database.

        """
        try:
            number = read_text(root / FILE)
        except OSError:
            number = ""
        except UnicodeDecodeError:
            number = "\0"
        if number and not NUMBER.fullmatch(number):
            raise FolderError(
                f"{root / FILE}: is no mark of a runs folder: remove it, and the next run makes a new one"
            )
        return cls(socket.gethostname(), os.path.realpath(root), number)

    @classmethod
    def marked(cls, root: Path) -> Place:
        """Return the place of a runs folder in which runs are to be trained; one that has no number gets one.

        Raises:
            FolderError: it cannot be written.

        """
        path = root / FILE
        if not cls.of(root).folder:
            try:
                root.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    if not path.stat().st_size:  # emptied as the power went
                        path.unlink()
                _put_first(path, uuid4().hex)
            except OSError as error:
                raise unwritable(path, error) from None
        return cls.of(root)

    def __str__(self) -> str:
        """Return the name by which a trial says where it is trained."""
        return f"{self.host}:{self.root}:{self.folder}"


def _put_first(path: Path, number: str) -> None:
    """Write a file that is whole from its first moment on, unless another process has put one there first.

    On a file system without links the last of several at once stays, and the others are taken for other hosts.
    """
    temporary = path.with_name(f"{FILE}.{number}")
    try:
        with temporary.open("x") as file:
            file.write(number)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
