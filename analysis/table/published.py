"""What the paper prints for a row beside what is counted and measured here.

A printed figure is taken for a single run's, of unknown seed, as the paper gives one number a cell and no spread. If
such runs and ours are draws from the same normal distributions, a prediction interval of 95 % refuses one printed
figure in twenty, and one printed difference in twenty or fewer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

import numpy as np

from analysis.statistics.paired import PairedDifference, predicted_difference, prediction_interval
from studies.paper.published import Published

MILLION, BILLION = 6, 9
"""Powers of ten in which the paper prints parameters and multiply-accumulates."""
WIDEST: Final = 1.0
"""Half-width in percentage points beyond which an interval is too wide to call a published figure compatible."""
LEAST: Final = 3
"""Runs that a published figure is held against at the least."""

Compatible = Literal["", "not run", "too few seeds", "cannot tell", "compatible", "not compatible"]
"""What our runs say of a published figure; empty where there is none."""


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
    compatible: Compatible


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
        metric=metric, published=figure, mean=mean, sd=sd, n=len(values), compatible=compatible(values, figure)
    )


def compatible(figures: Sequence[float], published: float | None) -> Compatible:
    """Say whether one run more of ours could have given the published figure (both in percent).

    It could not where the figure is outside the prediction interval, and could inside one of at most ± `WIDEST`. Fewer
    than `LEAST` runs, or runs that all gave the same figure, are too few.
    """
    if published is None or math.isnan(published):
        return ""
    if not figures:
        return "not run"
    if len(figures) < LEAST or len(set(figures)) == 1:
        return "too few seeds"
    low, high = prediction_interval(figures)
    if not low <= published <= high:
        return "not compatible"
    return "compatible" if high - low <= 2 * WIDEST else "cannot tell"


def published_difference(paper: Published, baseline: Published, metric: str) -> float | None:
    """Return the row's printed figure less the baseline's, None where one of them is not printed."""
    if metric not in paper.values or metric not in baseline.values:
        return None
    return float(Decimal(paper.values[metric]) - Decimal(baseline.values[metric]))


def compatible_difference(
    ours: Sequence[float], baseline: Sequence[float], delta: PairedDifference | None, published: float | None
) -> Compatible:
    """Say whether the published difference to the baseline agrees with ours, `delta`, of these pairs of runs.

    It does not where it is outside the prediction interval of the difference of two new runs. Inside, two single runs
    could have given it; it is compatible where our difference, too, has its sign, that is where the interval of `delta`
    leaves out 0 on the same side. Else our runs cannot tell the published difference from none.
    """
    if published is None:
        return ""
    if delta is None:
        return "not run"
    low, high = predicted_difference(ours, baseline)
    if len(ours) < LEAST or math.isnan(low):
        return "too few seeds"
    if not low <= published <= high:
        return "not compatible"
    same_side = delta.low > 0 if published > 0 else delta.high < 0
    return "compatible" if same_side and published != 0 else "cannot tell"
