"""Where runs are trained: the host, its runs folder, and which folder that is among all of one name."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from lightning_bam.run_folder.files import FolderError, open_plain, read_bytes, unwritable
from lightning_bam.run_folder.lock import wait_for

FILE: Final = ".place"
NUMBER: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Place:
    """A runs folder as a host sees it; `folder` is a number in it, empty where nothing has been trained in it yet.

    It tells the folders of one path on two hosts of one name apart, and the path a folder from its copy on one host.
    """

    host: str
    root: str
    folder: str

    @classmethod
    def of(cls, root: Path) -> Place:
        """Return the place of a runs folder, whose number, if it has one, must be one that `make` gives."""
        try:
            number = read_bytes(root / FILE).decode(errors="replace")
        except OSError:
            number = ""
        if number and not NUMBER.fullmatch(number):
            raise FolderError(
                f"{root / FILE}: is no mark of a runs folder: remove it, and the next run makes a new one"
            )
        return cls(socket.gethostname(), os.path.realpath(root), number)

    @classmethod
    def make(cls, root: Path) -> Place:
        """Return the place of a runs folder, which gets a number where it has none."""
        path = root / FILE
        if not cls.of(root).folder:
            try:
                root.mkdir(parents=True, exist_ok=True)
                with os.fdopen(open_plain(path, os.O_RDWR | os.O_CREAT), "r+") as file:
                    wait_for(file.fileno(), path)
                    if not file.read():  # else another process was quicker
                        file.write(uuid4().hex)
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                raise unwritable(path, error) from None
        return cls.of(root)

    def __str__(self) -> str:
        return f"{self.host}:{self.root}:{self.folder}"
