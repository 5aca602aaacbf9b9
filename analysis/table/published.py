"""What the paper prints for a row beside what is counted and measured here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from analysis.table.verdict import reproduced

MILLION, BILLION = 6, 9
"""Powers of ten in which the paper prints parameters and multiply-accumulates."""


@dataclass(frozen=True, kw_only=True)
class PrintedCount:
    """A count as printed (`23.40`) and here, exact in its unit; `equal` where ours rounds to it, None where unknown."""

    printed: str
    counted: str
    equal: bool | None


@dataclass(frozen=True, kw_only=True)
class PrintedFigure:
    """A figure besides the study's metric, in percent: the paper's, ours over n runs, and whether these agree."""

    metric: str
    published: float
    mean: float
    sd: float
    n: int
    reproduced: str


def rounded(count: int, digits: int, power: int) -> str:
    """Write `count` / 10^`power` with so many decimals, half rounded up."""
    step = Decimal(1).scaleb(-digits)
    return str(Decimal(count).scaleb(-power).quantize(step, rounding=ROUND_HALF_UP))


def compared(count: int | None, printed: str, power: int) -> PrintedCount | None:
    """Hold a count against the printed digits of it; None where nothing is printed."""
    if not printed:
        return None
    if count is None:
        return PrintedCount(printed=printed, counted="", equal=None)
    equal = rounded(count, decimals(printed), power) == printed
    return PrintedCount(printed=printed, counted=rounded(count, power, power), equal=equal)


def decimals(printed: str) -> int:
    """Return how many digits stand behind the point."""
    return len(printed.partition(".")[2])


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; NaN without values and below two."""
    mean = float(np.mean(values)) if values else float("nan")
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def printed_figure(metric: str, published: str, values: Sequence[float]) -> PrintedFigure:
    """Hold our figures of another metric, one a complete run, against the printed one."""
    (mean, sd), figure = mean_sd(values), float(published)
    return PrintedFigure(
        metric=metric, published=figure, mean=mean, sd=sd, n=len(values), reproduced=reproduced(values, figure)
    )
