"""When to stop adding seeds: a rule that is written down before the first result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from studies.errors import StudyError

Spending = Literal["obrien-fleming", "pocock"]
"""How the level is spent over the looks: hardly any of it at first, or about as much at each."""

SPENDINGS: Final[tuple[Spending, ...]] = ("obrien-fleming", "pocock")


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Look when so many seeds are in, and give no more to a row that is resolved by then.

    Args:
        looks: seeds in hand at each look, rising, the first at least 2; the last is the most that a row can get.
        spending: how the level is spent over the looks (`analysis.statistics.sequential`).
        level: the family-wise level of the whole study, over its rows and looks.

    Raises:
        StudyError: looks that do not rise from 2 up, an unknown spending, a level outside (0, 0.5).

    """

    looks: tuple[int, ...] = (4, 8, 12, 16)
    spending: Spending = "obrien-fleming"
    level: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what no boundary can be computed for."""
        listed = isinstance(self.looks, list | tuple)
        whole = listed and all(type(n) is int for n in self.looks)
        if not self.looks or not whole or self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            shown = ",".join(map(str, self.looks)) if listed else repr(self.looks)
            raise StudyError(f"stopping looks={shown}: give numbers of seeds that rise from 2 up, as 4,8,12,16")
        if self.spending not in SPENDINGS:
            raise StudyError(f"stopping spending={self.spending!r}: choose from {', '.join(SPENDINGS)}")
        if type(self.level) not in (int, float) or not 0 < self.level < 0.5:
            raise StudyError(f"stopping level={self.level!r}: give a level between 0 and 0.5, as 0.05")

    @property
    def most(self) -> int:
        """The most seeds that a row can get."""
        return self.looks[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self) | {"looks": list(self.looks)}

    @classmethod
    def from_dict(cls, data: Any) -> Stopping:
        """Read what `to_dict` returned.

        Raises:
            StudyError: something else.

        """
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise StudyError(f"a stopping rule has {', '.join(sorted(names))}, not {repr(data)[:60]}")
        looks = tuple(data["looks"]) if isinstance(data["looks"], list) else data["looks"]
        return cls(looks=looks, spending=data["spending"], level=data["level"])

    def __str__(self) -> str:
        looks = ", ".join(map(str, self.looks))
        return f"looks at {looks} seeds, {self.spending} spending of {self.level:g}"
