"""When to stop adding seeds: a rule that is written down before the first result."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from studies.definition.limits import MOST_LOOKED
from studies.definition.validation import Number, Whole, definition, expected
from studies.errors import StudyError

Spending = Literal["obrien-fleming", "pocock"]
"""How the level is spent over the looks: hardly any of it at first, or about as much at each."""


def _rising(looks: tuple[int, ...]) -> tuple[int, ...]:
    if list(looks) != sorted(set(looks)):
        raise ValueError("looks rise")
    return looks


@definition
class Stopping:
    """Look when so many seeds are in, and give no more to a row that is resolved by then.

    Why these looks: each can resolve something. A Δ of 3 sd of the paired differences stops at 8 seeds in 73 % with
    five comparisons, in 55 % with eight, where a look at 4 needed one of 191 sd. With five comparisons true differences
    of 0.5, 0.8, 1 and 1.5 sd are resolved in 21, 59, 82 and 100 % on 15.8, 15.1, 14.2 and 11.6 seeds: as often as by
    looks at 4, 8, 12, 16 (15.8, 15.2, 14.4, 12.3 seeds), and nearly as often as by 16 seeds alone (21, 61, 84, 100 %).
    Pocock's spending finds 14, 44, 69 and 98 % on 15.4, 14.3, 13.0 and 9.7 seeds: it is for those who expect large
    differences. With 1 and 8 comparisons it is alike (n = 50,000 simulated rows; `python -m
    tests.benchmarks.inference --only looks`).

    Args:
        looks: seeds in hand at each look, rising, the first at least 2; the last is the most that a row can get.
        spending: how the level is spent over the looks (`analysis.statistics.sequential`).
        level: the family-wise level of the whole study, over its rows and looks.
        spare: how many seeds more are declared: where a row or its baseline fails at a seed, the pair's next one takes
            its place as long as there are some.

    """

    looks: Annotated[
        tuple[Annotated[Whole, Field(ge=2, le=MOST_LOOKED)], ...],
        Field(min_length=1),
        AfterValidator(_rising),
        expected(f"give numbers of seeds that rise from 2 to at most {MOST_LOOKED:,}, as 8,10,12,16"),
    ] = (8, 10, 12, 16)
    spending: Spending = "obrien-fleming"
    level: Annotated[Number, Field(gt=0, lt=0.5), expected("give a level between 0 and 0.5, as 0.05")] = 0.05

    spare: Annotated[
        Whole, Field(ge=0, le=MOST_LOOKED), expected(f"give a number of seeds from 0 to {MOST_LOOKED:,}")
    ] = 0

    @property
    def most(self) -> int:
        """The most seeds that a row can be compared on."""
        return self.looks[-1]

    @property
    def declared(self) -> int:
        """How many seeds are declared: those of the last look and the spare ones."""
        return self.most + self.spare

    @classmethod
    def from_dict(cls, data: Any) -> Stopping:
        """Read what `to_dict` returned, or an older version, which knew no spare seeds; else a StudyError."""
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) | {"spare"} != names:
            raise StudyError(f"a stopping rule has {', '.join(sorted(names))}, not {repr(data)[:60]}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, without `spare` where there are none, so that older versions can read the rule."""
        return {name: value for name, value in asdict(self).items() if name != "spare" or value}

    def __str__(self) -> str:
        looks = ", ".join(map(str, self.looks))
        spare = f", {self.spare} spare" if self.spare else ""
        return f"looks at {looks} seeds{spare}, {self.spending} spending of {self.level:g}"
