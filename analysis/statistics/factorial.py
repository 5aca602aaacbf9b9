"""What a factorial study says of each factor by itself, of pairs of them, and of all together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
from scipy import special

from analysis.statistics.anova import Source, anova
from analysis.statistics.marginal import Marginal, marginal_means

Cells = Mapping[tuple[str, ...], Mapping[int, float]]
"""The level of each factor, in their order -> seed -> figure."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of one factor: its estimated marginal mean, with equal weights over the levels of all other factors.

    `mean` is of the study's metric in percent, `low` and `high` bound its 95 % interval, `n` counts runs. NaN stands
    where there is no run, where the runs cannot tell the mean, and for bounds without an analysis of variance.
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

    Each cell counts once in a mean. Every pair of levels is there, with NaN and 0 where no run is. `spans` is half the
    width of a mean's 95 % interval, as that of a `Level`; NaN without an analysis of variance.
    """

    factors: tuple[str, str]
    means: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]
    spans: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """A factorial study taken apart.

    Attributes:
        factors: flat name -> its levels, in the study's order.
        levels: the estimated marginal means.
        interactions: every pair of factors.
        anova: type II, seeds as blocks; empty where the runs do not allow it.
        importance: evaluator (`PED-ANOVA`, `fANOVA`) -> factor -> its share, summing to 1; a cross-check.
        gaps: cells without a run, cells with fewer seeds than others, and marginal means that the runs cannot tell,
            each named in one line.
        left_out: row with finished runs that is in no cell -> the knobs under question that it lacks.
        alike: a line for each row in a cell that trained exactly as that of another cell did.

    """

    factors: Mapping[str, tuple[str, ...]]
    levels: list[Level]
    interactions: list[Interaction]
    anova: list[Source]
    importance: Mapping[str, Mapping[str, float]]
    gaps: list[str]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alike: Sequence[str] = ()

    @property
    def tested(self) -> list[tuple[str, str]]:
        """The pairs of factors whose interaction has a line in the analysis of variance."""
        names = {line.name for line in self.anova}
        return [pair for pair in combinations(self.factors, 2) if " x ".join(pair) in names]


def factorial(
    cells: Cells,
    factors: Mapping[str, Sequence[str]],
    importance: Mapping[str, Mapping[str, float]] | None = None,
    level: float = 0.95,
) -> Factorial:
    """Take a factorial study apart.

    The marginal means are those of the additive model (see `marginal_means`). Each is a sum of the runs with weights
    w, and its interval is ± t(level, residual df) · s · √(Σ w²), where s² is the residual mean square of the analysis
    of variance (see `anova`), which leaves to the residual no interaction of two factors that it can tell. What all
    cells of a seed share is thereby left out: the interval is of the mean over these very seeds, and serves to compare
    levels, not to foretell other seeds. Where cells or seeds are missing, a mean is what it would be if the factors did
    not interact: `gaps` says which are.

    Args:
        cells: the level of each factor, in their order -> seed -> figure in percent. Cells without a run may be absent.
        factors: flat name -> its levels, in the order to show them.
        importance: what `studies.search.importance` found.
        level: coverage of the intervals.

    Raises:
        ValueError: no run at all, a cell that is not of these levels, or a figure that is not finite.

    """
    for cell in cells:
        if len(cell) != len(factors) or any(at not in of for at, of in zip(cell, factors.values(), strict=True)):
            raise ValueError(f"cell {cell}: no levels of {', '.join(factors)}")
    cells = {cell: runs for cell, runs in cells.items() if runs}
    each = [(cell, seed, figure) for cell, runs in cells.items() for seed, figure in runs.items()]
    figures, seeds = [figure for _, _, figure in each], [seed for _, seed, _ in each]
    levels = {name: [cell[index] for cell, _, _ in each] for index, name in enumerate(factors)}
    lines = anova(figures, levels, seeds)
    means = marginal_means(figures, levels, seeds, factors)
    half = _half_width(lines, level)
    return Factorial(
        factors={name: tuple(of) for name, of in factors.items()},
        levels=_levels(means, levels, half),
        interactions=[_interaction(cells, factors, pair, half) for pair in combinations(factors, 2)],
        anova=lines,
        importance=importance or {},
        gaps=gaps(cells, factors) + ([means.gap] if means.gap else []),
    )


def _half_width(lines: Sequence[Source], level: float) -> float:
    """Return t · s: half the width of the interval of a single figure; NaN without a residual that varies."""
    if not lines or not lines[-1].sum_of_squares:
        return math.nan
    residual = lines[-1]
    return -float(special.stdtrit(residual.df, (1 - level) / 2)) * math.sqrt(residual.sum_of_squares / residual.df)


def _levels(found: Marginal, levels: Mapping[str, Sequence[str]], half: float) -> list[Level]:
    made = []
    for factor, means in found.means.items():
        for level, mean in means.items():
            wide, n = half * found.errors[factor][level], levels[factor].count(level)
            made.append(Level(factor=factor, level=level, n=n, mean=mean, low=mean - wide, high=mean + wide))
    return made


def _interaction(cells: Cells, factors: Mapping[str, Sequence[str]], pair: tuple[str, str], half: float) -> Interaction:
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
        spans={levels: half * _error(runs) for levels, runs in met.items()},
    )


def _mean(cells: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([np.mean(list(runs.values())) for runs in cells])) if cells else math.nan


def _error(cells: Sequence[Mapping[int, float]]) -> float:
    """Return the standard error of that mean, where that of one figure is 1."""
    return math.sqrt(sum(1 / len(runs) for runs in cells)) / len(cells) if cells else math.nan


def gaps(cells: Cells, factors: Mapping[str, Sequence[str]]) -> list[str]:
    """Name the cells without a run, and those that lack a seed which another cell has, each in one line.

    Cells without a run are named together where all that have these levels lack one: `no run at combine=max` for the
    whole level, `no run at combine=max, norm=ends` for a pair of levels, whatever the other factors are.

    Args:
        cells: the figures there are.
        factors: flat name -> its levels, in order.

    """
    found = {cell: runs for cell, runs in cells.items() if runs}
    empty: list[dict[int, str]] = []
    for size in range(1, len(factors) + 1):
        for places in combinations(range(len(factors)), size):
            seen = {tuple(cell[place] for place in places) for cell in found}
            for levels in product(*(list(factors.values())[place] for place in places)):
                part = dict(zip(places, levels, strict=True))
                if levels not in seen and not any(known.items() <= part.items() for known in empty):
                    empty.append(part)
    names = list(factors)
    lines = [f"no run at {', '.join(f'{names[place]}={level}' for place, level in part.items())}" for part in empty]
    seeds = sorted({seed for runs in found.values() for seed in runs})
    for cell, runs in found.items():
        if lacking := [seed for seed in seeds if seed not in runs]:
            where = ", ".join(f"{name}={level}" for name, level in zip(names, cell, strict=True))
            which = f"seed{'s' if len(lacking) > 1 else ''} {', '.join(map(str, lacking))}"
            lines.append(f"{where}: {len(runs)} of {len(seeds)} seeds (lacks {which})")
    return lines
