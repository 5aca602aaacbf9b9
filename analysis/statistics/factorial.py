"""What a factorial study says of each factor by itself, of pairs of them, and of all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of one factor, averaged over the levels of all other factors, each cell counted once.

    `mean` is of the study's metric in percent, `low` and `high` bound its 95 % interval, `n` counts runs.
    """

    factor: str
    level: str
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two factors: the mean of the metric (percent) and the number of runs at each pair of their levels."""

    factors: tuple[str, str]
    means: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A line of the analysis of variance (type II): a factor, `a x b`, the seeds, or the residual.

    `f`, `p` and `share` (partial eta squared) are NaN for the residual.
    """

    name: str
    df: float
    sum_of_squares: float
    f: float
    p: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """A factorial study taken apart.

    Attributes:
        factors: flat name -> its levels, in the study's order.
        levels: the marginal means.
        interactions: every pair of factors.
        anova: type II, seeds as blocks; empty where the runs do not allow it.
        importance: evaluator (`PED-ANOVA`, `fANOVA`) -> factor -> its share, summing to 1; a cross-check.
        gaps: cells without a run, and cells with fewer seeds than others, each named in one line.

    """

    factors: Mapping[str, tuple[str, ...]]
    levels: list[Level]
    interactions: list[Interaction]
    anova: list[Source]
    importance: Mapping[str, Mapping[str, float]]
    gaps: list[str]
