"""The studies whose records are kept in the package: each in a folder, as `bam bundle` packed it.

A folder has its study's name, or, where the study was repeated under other conditions, a name that tells of them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import studies
from lightning_bam.config import nearest
from studies.errors import StudyError

FOLDER: Final = Path(studies.__file__).parent / "findings"
PRESET: Final = "findings"
"""The scale at which studies of the catalogue were run; a file of its own has but one."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a call of `bam` names to read a finding: the study, its preset, and where its runs lie."""

    study: str
    preset: str | None
    root: str


@dataclass(frozen=True)
class Finding:
    """A study whose records are kept in `folder`: `bundle.tar.gz`, `table.json` and `runs.csv`."""

    folder: Path

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The table as JSON."""
        return self.folder / "table.json"

    def table(self) -> dict[str, Any]:
        """Return the table as `bam table --format json` wrote it."""
        table: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return table

    @contextmanager
    def unpacked(self) -> Iterator[Call]:
        """Yield what names the study and its runs, which lie in a temporary folder."""
        with TemporaryDirectory(prefix="bam-") as place:
            with tarfile.open(self.folder / "bundle.tar.gz") as bundle:
                bundle.extractall(place, filter="data")
            (top,) = Path(place).iterdir()
            own = top / "study.py"
            runs = str(top / "runs")
            if own.is_file():
                yield Call(study=str(own), preset=None, root=runs)
            else:
                yield Call(study=self.table()["study"].removesuffix(f"+{PRESET}"), preset=PRESET, root=runs)


def findings() -> dict[str, Finding]:
    """Return all that is kept, by the names of the folders."""
    return {path.parent.name: Finding(path.parent) for path in sorted(FOLDER.glob("*/table.json"))}


def find(name: str) -> Finding:
    """Return what is kept under a name; StudyError where nothing is."""
    every = findings()
    if name not in every:
        raise StudyError(f"{name}: nothing is kept of it; {nearest(name, every)}")
    return every[name]
