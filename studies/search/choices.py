"""What a search may choose from, knob by knob: listed values, whole numbers, or real numbers."""

from decimal import Decimal

from studies.definition.validation import Number, Whole, choice
from studies.errors import StudyError


@choice
class Integer:
    """Whole numbers from `low` to `high`, both included; on a log scale each octave is as likely as any other."""

    low: Whole
    high: Whole
    step: Whole = 1
    log: bool = False

    def __post_init__(self) -> None:
        _check(self)
        if self.step < 1 or (self.log and self.step != 1):
            raise StudyError(f"{self}: a step is at least 1, and on a log scale exactly 1")

    @property
    def values(self) -> range:
        """Every value; the last is `high`, or where no step reaches it the one below."""
        return range(self.low, self.high + 1, self.step)

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def last(self) -> int:
        """The greatest value."""
        return self.values[-1]


@choice
class Real:
    """Real numbers from `low` to `high`, on a linear or a log scale, or in steps."""

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    def __post_init__(self) -> None:
        _check(self)
        if self.step is not None and (self.step <= 0 or self.log):
            raise StudyError(f"{self}: a step is above 0, and a log scale has none")

    @property
    def size(self) -> int | None:
        """How many values there are; None without steps, where no list of them ends."""
        if self.step is None:
            return None
        return int((Decimal(str(self.high)) - Decimal(str(self.low))) // Decimal(str(self.step))) + 1

    @property
    def last(self) -> float:
        """The greatest value: `high`, or where no step reaches it the last one below."""
        if self.step is None or self.size is None:
            return self.high
        return float(Decimal(str(self.low)) + (self.size - 1) * Decimal(str(self.step)))


Choice = tuple[str, ...] | Integer | Real
"""A tuple of values as written on the command line, or a range of numbers."""

Value = str | int | float
"""A chosen value: as written, or a number."""


def ends(choice: Choice) -> tuple[Value, ...]:
    """Return every listed value, or the two ends of a range."""
    return (choice.low, choice.last) if isinstance(choice, Integer | Real) else choice


def size_of(choice: Choice) -> int | None:
    """Return how many values a choice has; None where they cannot be listed."""
    return choice.size if isinstance(choice, Integer | Real) else len(choice)


def takes(choice: Choice, value: object) -> bool:
    """Say whether a value is one of those that may be chosen."""
    if isinstance(choice, Integer):
        return type(value) is int and value in choice.values
    if isinstance(choice, Real):
        return type(value) in (int, float) and choice.low <= value <= choice.high  # type: ignore[operator]
    return value in choice


def _check(choice: Integer | Real) -> None:
    if not choice.low < choice.high:
        raise StudyError(f"{choice}: low must be below high")
    if choice.log and choice.low <= 0:
        raise StudyError(f"{choice}: a log scale begins above 0")
