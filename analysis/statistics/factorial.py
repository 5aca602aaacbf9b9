"""What a factorial study says of each factor by itself, of pairs of them, and of all together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from analysis.statistics.anova import Source, anova
from analysis.statistics.gaps import Cells, gaps

__all__ = ["Factorial", "Interaction", "Level", "Source", "factorial"]


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of one factor, averaged over the levels of all other factors, each cell counted once.

    `mean` is of the study's metric in percent, `low` and `high` bound its 95 % interval, `n` counts runs. NaN stands
    where there is no run, and for bounds without an analysis of variance.
    """

    factor: str
    level: str
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two factors: the mean of the metric (percent) and the number of runs at each pair of their levels.

    Each cell counts once in a mean. Every pair of levels is there, with NaN and 0 where no run is.
    """

    factors: tuple[str, str]
    means: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]


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


def factorial(
    cells: Cells,
    factors: Mapping[str, Sequence[str]],
    importance: Mapping[str, Mapping[str, float]] | None = None,
    level: float = 0.95,
) -> Factorial:
    """Take a factorial study apart.

    A marginal mean is the mean of the means of the K cells that have the level and a run, so that it is a mean of
    figures in the table, and a cell with more seeds weighs no more. Its interval is ± t(level, residual df) · s ·
    √(Σ 1/n_cell) / K, where s² is the residual mean square of the analysis of variance with the seeds as blocks (see
    `anova`). What all cells of a seed share is thereby left out: the interval is of the mean over these very seeds, and
    serves to compare levels, not to foretell other seeds. Where cells or seeds are missing, levels average over
    different ones: `gaps` says which.

    Args:
        cells: the level of each factor, in their order -> seed -> figure in percent. Cells without a run may be absent.
        factors: flat name -> its levels, in the order to show them.
        importance: what `studies.importance` found.
        level: coverage of the intervals.

    Raises:
        ValueError: no run at all, a cell that is not of these levels, or a figure that is not finite.

    """
    for cell in cells:
        if len(cell) != len(factors) or any(at not in of for at, of in zip(cell, factors.values(), strict=True)):
            raise ValueError(f"cell {cell}: no levels of {', '.join(factors)}")
    cells = {cell: runs for cell, runs in cells.items() if runs}
    each = [(cell, seed, figure) for cell, runs in cells.items() for seed, figure in runs.items()]
    lines = anova(
        [figure for _, _, figure in each],
        {name: [cell[index] for cell, _, _ in each] for index, name in enumerate(factors)},
        [seed for _, seed, _ in each],
    )
    half = _half_width(lines, level)
    return Factorial(
        factors={name: tuple(of) for name, of in factors.items()},
        levels=[
            _level(name, at, [runs for cell, runs in cells.items() if cell[index] == at], half)
            for index, (name, of) in enumerate(factors.items())
            for at in of
        ],
        interactions=[_interaction(cells, factors, pair) for pair in combinations(factors, 2)],
        anova=lines,
        importance=importance or {},
        gaps=gaps(cells, factors),
    )


def _half_width(lines: Sequence[Source], level: float) -> float:
    """Return t · s: half the width of the interval of a single figure; NaN without a residual that varies."""
    if not lines or not lines[-1].sum_of_squares:
        return math.nan
    residual = lines[-1]
    return -float(special.stdtrit(residual.df, (1 - level) / 2)) * math.sqrt(residual.sum_of_squares / residual.df)


def _level(factor: str, level: str, runs: Sequence[Mapping[int, float]], half: float) -> Level:
    mean, n = _mean(runs), sum(map(len, runs))
    error = math.sqrt(sum(1 / len(cell) for cell in runs)) / len(runs) if runs else math.nan
    return Level(factor=factor, level=level, n=n, mean=mean, low=mean - half * error, high=mean + half * error)


def _interaction(cells: Cells, factors: Mapping[str, Sequence[str]], pair: tuple[str, str]) -> Interaction:
    first, second = (list(factors).index(name) for name in pair)
    met: dict[tuple[str, str], list[Mapping[int, float]]] = {
        (a, b): [] for a in factors[pair[0]] for b in factors[pair[1]]
    }
    for cell, runs in cells.items():
        met[cell[first], cell[second]].append(runs)
    return Interaction(
        factors=pair,
        means={levels: _mean(runs) for levels, runs in met.items()},
        counts={levels: sum(map(len, runs)) for levels, runs in met.items()},
    )


def _mean(cells: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([np.mean(list(runs.values())) for runs in cells])) if cells else math.nan
