"""What a verification says: one line for each thing that is wrong or worth knowing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a verification.

    Attributes:
        level: `problem` where a record or a table cannot be trusted, `note` where there is something to know.
        text: the line; it begins with the file that it is about.
        study: whose; None for a run of no study that was named.
        row: whose; None where it is about more than one run, or a run of no study.
        seed: whose; None likewise.

    """

    level: Level
    text: str
    study: str | None = None
    row: str | None = None
    seed: int | None = None

    @property
    def line(self) -> str:
        """The text with whom it concerns."""
        names = (self.study, self.row and f"row {self.row!r}", None if self.seed is None else f"seed {self.seed}")
        owner = ", ".join(name for name in names if name)
        return f"{self.text} ({owner})" if owner else self.text
