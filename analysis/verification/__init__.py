"""Whether the records behind a table are what the trainings left, and whether the table follows from them."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line that begins with its file: a record or a table that cannot be trusted, or a note."""

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
