"""What a factorial study says of each factor by itself, of pairs of them, and of all together."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from scipy import special

from analysis.statistics.anova import Source, anova
from analysis.statistics.marginal import marginal_means

Cells = Mapping[tuple[str, ...], Mapping[int, float]]
"""The level of each factor, in their order -> seed -> figure."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of one factor: its marginal mean in percent with its 95 % interval, NaN where unknown, over n runs."""

    factor: str
    level: str
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two factors: estimated mean and number of runs at each pair of levels, NaN and 0 without a run.

    `spans` is half the width of a mean's 95 % interval; NaN without an analysis of variance.
    """

    factors: tuple[str, str]
    means: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]
    spans: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """A factorial study taken apart: marginal means, pairs of factors, analysis of variance (empty where impossible).

    `factors` are flat name -> its levels, `importance` is evaluator (`PED-ANOVA`, `fANOVA`) -> factor -> its share,
    summing to 1. `gaps` has a line for each cell without a run or with fewer seeds, and for unknown marginal means,
    `left_out` the rows with finished runs in no cell -> the knobs under question that they lack, `alike` a line for
    each row in a cell that trained exactly as that of another cell did.
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
    """Take a factorial study apart; `factors` has the levels in the order to show them.

    A marginal mean (see `marginal_means`) is a sum of the runs with weights w; its interval is
    ± t(level, residual df) · s · √(Σ w²), where s² is the residual mean square of `anova`. It is of the mean over these
    very seeds, and serves to compare levels. Across `gaps` the factors are taken not to interact. The means of an
    interaction are the same with each pair of levels as a level, so that those two may interact.
    """
    cells = {cell: runs for cell, runs in cells.items() if runs}
    runs = [(cell, seed, figure) for cell, of in cells.items() for seed, figure in of.items()]
    figures, seeds = [figure for _, _, figure in runs], [seed for _, seed, _ in runs]
    levels = {name: [cell[index] for cell, _, _ in runs] for index, name in enumerate(factors)}
    lines = anova(figures, levels, seeds)
    half = _half_width(lines, level)
    means = [
        Level(factor=factor, level=name, n=n, mean=mean, low=mean - half * error, high=mean + half * error)
        for (factor, name), (mean, error) in marginal_means(figures, levels, seeds, factors).items()
        for n in [levels[factor].count(name)]
    ]
    pairs = [_interaction(figures, levels, seeds, factors, pair, half) for pair in combinations(factors, 2)]
    return Factorial(
        factors={name: tuple(of) for name, of in factors.items()},
        levels=means,
        interactions=pairs,
        anova=lines,
        importance=importance or {},
        gaps=gaps(cells, factors) + _unconnected(means, pairs),
    )


def _unconnected(means: Sequence[Level], pairs: Sequence[Interaction]) -> list[str]:
    """Name the levels, and pairs of factors, that have runs but no mean, in one line."""
    levels: dict[str, list[str]] = {}
    for mean in means:
        if mean.n and math.isnan(mean.mean):
            levels.setdefault(mean.factor, []).append(mean.level)
    names = [f"{factor}={', '.join(of)}" for factor, of in levels.items()]
    if not names:
        lacking = [pair for pair in pairs if any(n and math.isnan(pair.means[at]) for at, n in pair.counts.items())]
        names = [f"pairs of {' and '.join(pair.factors)}" for pair in lacking]
    return [f"no marginal mean at {'; '.join(names)}: these runs do not connect the levels"] if names else []


def _half_width(lines: Sequence[Source], level: float) -> float:
    """Return t · s: half the width of the interval of a single figure; NaN without a residual that varies."""
    if not lines or not lines[-1].sum_of_squares:
        return math.nan
    residual = lines[-1]
    return -float(special.stdtrit(residual.df, (1 - level) / 2)) * math.sqrt(residual.sum_of_squares / residual.df)


def _interaction(
    figures: Sequence[float],
    levels: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    factors: Mapping[str, Sequence[str]],
    pair: tuple[str, str],
    half: float,
) -> Interaction:
    """Return the marginal means of a factor whose levels are the pairs of those of two."""
    cells = list(product(factors[pair[0]], factors[pair[1]]))
    together = list(zip(levels[pair[0]], levels[pair[1]], strict=True))
    others = [name for name in factors if name not in pair]
    of_runs: dict[str, Sequence[Hashable]] = {"": together, **{name: levels[name] for name in others}}
    of_factors: dict[str, Sequence[Hashable]] = {"": cells, **{name: factors[name] for name in others}}
    means = marginal_means(figures, of_runs, seeds, of_factors)
    return Interaction(
        factors=pair,
        means={at: means["", at][0] for at in cells},
        counts={at: together.count(at) for at in cells},
        spans={at: half * means["", at][1] for at in cells},
    )


def gaps(cells: Cells, factors: Mapping[str, Sequence[str]]) -> list[str]:
    """Name, in a line each, the levels without a run (`no run at combine=max`), and cells that lack another's seed."""
    cells = {cell: runs for cell, runs in cells.items() if runs}
    names = list(factors)
    empty: list[dict[str, str]] = []
    for size in range(1, len(factors) + 1):
        for group in combinations(names, size):
            present = {tuple(cell[names.index(name)] for name in group) for cell in cells}
            for levels in product(*(factors[name] for name in group)):
                part = dict(zip(group, levels, strict=True))
                if levels not in present and not any(wider.items() <= part.items() for wider in empty):
                    empty.append(part)
    lines = [f"no run at {_at(part)}" for part in empty]
    seeds = sorted({seed for runs in cells.values() for seed in runs})
    for cell, runs in cells.items():
        if missing := [seed for seed in seeds if seed not in runs]:
            which = f"seed{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}"
            where = _at(dict(zip(names, cell, strict=True)))
            lines.append(f"{where}: {len(runs)} of {len(seeds)} seeds (lacks {which})")
    return lines


def _at(levels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={level}" for name, level in levels.items())
