"""What a study's run folders said when they were last read: one file a study and runs folder, in the user's cache.

An entry counts for as long as the files it was read from have the inodes, sizes and times that they had then. Whoever
changes a file, in place or by another one of the same name, size and mtime, changes its inode or its ctime, which
cannot be set. Two changes within one tick of the file system's clock have the same ctime: what was changed less than
two seconds ago is read and not remembered. On a network file system this knows what `stat` knows: a change on another
host is seen once the client's attributes of that file are renewed, and "just now" is by this host's clock.

The file is replaced in one step, and one that is torn, edited or of another version is as good as none; so processes
may share it, and removing it costs nothing but time. Nothing is ever written to the runs folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from lightning_bam.files import FolderError, replace
from lightning_bam.folder import SCHEMA, State
from lightning_bam.result import Result
from studies.cache import cache_home
from studies.circumstances import SHARED
from studies.sight import Sight

FIGURES: Final = tuple(field.name for field in fields(Result))
VERSION: Final = [3, version("lightning-bam"), SCHEMA, sys.version, *SHARED, *FIGURES]
"""What a file must say of itself to be read: fingerprints hold for one version of Python."""
SPARE: Final = 100
"""The file is written again once one entry in so many is new: reading the others anew takes less time."""


class Entry(NamedTuple):
    """What a run folder said: the fields of a record, the figures of its result in the order of `FIGURES`."""

    state: State
    epochs: int
    figures: list[Any] | None
    first_step_loss: float | None
    first_epoch_loss: float | None
    circumstances: str


class RecordCache:
    """The entries of one study's runs under one runs folder.

    Args:
        root: the runs folder.
        study: the study's label.

    """

    def __init__(self, root: Path, study: str) -> None:
        digest = hashlib.sha256(os.fsencode(root.resolve()) + b"\0" + study.encode()).hexdigest()
        self._name = f"{study.partition('+')[0]}-{digest[:16]}.json"
        self._circumstances: dict[str, int] = {}
        self._runs: dict[str, list[Any]] = {}
        self._new = 0
        with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):
            header, _, body = (_folder() / self._name).read_bytes().partition(b"\n")
            if json.loads(header) == [VERSION, zlib.crc32(body)]:
                data = json.loads(body)
                self._runs, self._circumstances = data["runs"], {text: at for at, text in enumerate(data["told"])}
        self._told = list(self._circumstances)

    def recall(self, key: str, sight: Sight) -> Entry | None:
        """Return what the folder of that run said, None where it is not known or the folder has changed."""
        found = self._runs.get(key)
        if found is None or found[0] != sight.fingerprint:
            return None
        _, state, epochs, figures, step, epoch, told = found
        return Entry(state, epochs, figures, step, epoch, self._told[told])

    def learn(self, key: str, sight: Sight, entry: Entry) -> None:
        """Remember what the folder of that run said when it was seen so."""
        told = self._circumstances.setdefault(entry.circumstances, len(self._circumstances))
        self._runs[key] = [sight.fingerprint, *entry[:-1], told]
        self._new += 1

    def save(self) -> None:
        """Write what is new, if that is worth the time; where it cannot be kept, it is not."""
        if self._new * SPARE <= len(self._runs):
            return
        body = json.dumps({"told": list(self._circumstances), "runs": self._runs}, separators=(",", ":"))
        header = json.dumps([VERSION, zlib.crc32(body.encode())])
        with suppress(OSError, RuntimeError, FolderError):
            _folder().mkdir(parents=True, exist_ok=True)
            replace(_folder() / self._name, f"{header}\n{body}")


def _folder() -> Path:
    return cache_home() / "records"
