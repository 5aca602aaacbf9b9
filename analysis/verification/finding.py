"""What a verification says: one line for each thing that is wrong or worth knowing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a verification.

    Attributes:
        level: `problem` where a record or a table cannot be trusted, `note` where there is something to know.
        text: the line; it begins with the file that it is about.
        study: whose; None for a run of no study that was asked for.
        row: whose; None where it is about more than one run, or a run of no study.
        seed: whose; None likewise.

    """

    level: Literal["problem", "note"]
    text: str
    study: str | None = None
    row: str | None = None
    seed: int | None = None

    @property
    def line(self) -> str:
        """The text with whom it concerns."""
        whose = [self.study] if self.study is not None else []
        whose += [f"row {self.row!r}"] if self.row is not None else []
        whose += [f"seed {self.seed}"] if self.seed is not None else []
        return f"{self.text} ({', '.join(whose)})" if whose else self.text
