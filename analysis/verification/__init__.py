"""Whether the records behind a table are what the trainings left, and whether the table follows from them."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a verification, which begins with the file that it is about.

    A `problem` is a record or a table that cannot be trusted, a `note` something to know. `study`, `row` and `seed` are
    None where it is about no one of them.
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
