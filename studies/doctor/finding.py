"""What a check says: how bad it is, what was found, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: `warning` costs time or trust, `problem` stops or spoils runs."""

    check: str
    level: Level
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Scene:
    """What is examined: the runs folder, the storage between hosts if there is one, and a server that has torch."""

    root: Path
    storage: str | None
    context: ForkServerContext

    @property
    def ground(self) -> Path:
        """The runs folder, or the nearest folder above that exists: nothing is made for an examination."""
        here = self.root.absolute()
        return next(path for path in (here, *here.parents) if path.is_dir())


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs no mend."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, mend: str) -> Finding:
    """Return a finding that runs can live with."""
    return Finding(check, "warning", _line(found), mend)


def problem(check: str, found: str, mend: str) -> Finding:
    """Return a finding that stops or spoils runs."""
    return Finding(check, "problem", _line(found), mend)


def listed(items: list[str], shown: int = 4) -> str:
    """Return the first of `items` separated by commas, and that there are more."""
    return ", ".join(items[:shown]) + (" ..." if len(items) > shown else "")


def _line(text: str) -> str:
    return " ".join(text.split())
