"""What one factor does: its levels compared in rows that differ in it alone, and the trend over levels with an order.

Each seed gives one figure, a difference or a slope, and Student's paired t takes these as it takes the differences of a
table: seeds are independent, and no more is asked. Rows may spread unequally, and rows that share a level may go up and
down together with the seed, which the residual of an analysis of variance would take for independent runs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np

from analysis.statistics.failed_pairs import p_different
from analysis.statistics.families import bonferroni
from analysis.statistics.paired import MOST, PairedDifference, differences, paired

Line = Mapping[str, Mapping[int, float]]
"""Rows that differ in one factor alone: its level -> seed -> figure, NaN where the run has failed."""
LEAST_LEVELS = 3
"""A trend has this many levels or more: that of two is their contrast."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """`level` less `other`, in percentage points over the seeds that have both; None without such a seed.

    The interval and `p_adjusted` are Bonferroni's for the `comparisons`, all pairs of the factor's levels, as is
    `p_failed`, with the seeds that have no difference since runs failed against it (`failed_pairs`); NaN without one.
    `so_far`: some of its runs are still to come.
    """

    level: str
    other: str
    difference: PairedDifference | None
    p_adjusted: float
    comparisons: int
    p_failed: float = math.nan
    so_far: bool = False

    @property
    def p_claimed(self) -> float:
        """The p that a claim is held by: also with what failed against it."""
        return max(self.p_adjusted, self.p_failed)  # the first where the other is NaN


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The slope over a factor's levels, in percentage points `per` doubling of the level or unit of it, over seeds.

    `p_failed` is its p by the seeds at which no run failed, with the others against it (`failed_pairs`): 1 where fewer
    than two are left, NaN where none failed. `so_far`: some of its runs are still to come.
    """

    per: Literal["doubling", "unit"]
    levels: tuple[float, ...]
    slope: PairedDifference | None
    p_failed: float = math.nan
    so_far: bool = False

    @property
    def p_claimed(self) -> float:
        """The p that a claim is held by: also with what failed against it."""
        return max(self.slope.p, self.p_failed) if self.slope else math.nan


def contrasts(lines: Sequence[Line], levels: Sequence[str], level: float = 0.95) -> list[Contrast]:
    """Compare every two levels that some line has both of, the later less the earlier; together they hold at `level`.

    A seed's difference is the mean over the lines that have both levels at that seed, so that each is between runs
    alike in all else. In a complete design its mean is the difference of the marginal means.
    """
    pairs = [(b, a) for a, b in combinations(levels, 2) if any(a in line and b in line for line in lines)]
    found = []
    for pair in pairs:
        every = list(_differences(lines, *pair))
        known = [one for one in every if not math.isnan(one)]
        difference, absent = _over_seeds(known, (1 - level) / len(pairs)), len(every) - len(known)
        found.append(
            Contrast(
                level=pair[0],
                other=pair[1],
                difference=difference,
                p_adjusted=math.nan if difference is None else bonferroni(difference.p, len(pairs)),
                comparisons=len(pairs),
                p_failed=bonferroni(p_different(known, absent), len(pairs)) if known and absent else math.nan,
            )
        )
    return found


def trend(lines: Sequence[Line], values: Mapping[str, float], level: float = 0.95) -> Trend | None:
    """Fit the slope over the levels' `values`, seed by seed; None for fewer than three levels with a run.

    A seed's slope is the least-squares one of the rows that it has, with a constant for each line. It is over log2 of
    all values where these are positive and spaced more evenly on that scale, which no figure has a say in.
    """
    trained = [value for name, value in values.items() if any(_known(line.get(name, {})) for line in lines)]
    if len(trained) < LEAST_LEVELS:
        return None
    per: Literal["doubling", "unit"] = "doubling" if _doubles(sorted(values.values())) else "unit"
    at = {name: math.log2(value) if per == "doubling" else float(value) for name, value in values.items()}
    slopes = _slopes([{name: _known(of) for name, of in line.items()} for line in lines], at)
    failed = {seed for line in lines for of in line.values() for seed in of.keys() - _known(of).keys()}
    whole = [slope for seed, slope in slopes.items() if seed not in failed]
    p_failed = p_different(whole, len(failed)) if len(whole) > 1 else 1.0
    return Trend(
        per=per,
        levels=tuple(trained),
        slope=_over_seeds(list(slopes.values()), 1 - level),
        p_failed=p_failed if failed else math.nan,
    )


def _doubles(values: Sequence[float]) -> bool:
    """Say whether rising values are positive and their logarithms spaced more evenly than they are themselves."""
    if values[0] <= 0:
        return False
    gaps = [b - a for a, b in pairwise(values)]
    ratios = [math.log(b / a) for a, b in pairwise(values)]
    return max(ratios) / min(ratios) < max(gaps) / min(gaps)


def _known(runs: Mapping[int, float]) -> dict[int, float]:
    """Return the figures of runs that have not failed."""
    return {seed: figure for seed, figure in runs.items() if not math.isnan(figure)}


def _seeds(lines: Sequence[Line]) -> list[int]:
    return sorted({seed for line in lines for runs in line.values() for seed in runs})


def _differences(lines: Sequence[Line], level: str, other: str) -> Iterator[float]:
    """Yield each seed's difference, NaN where a run has failed and no line has both."""
    both = [(line[level], line[other]) for line in lines if level in line and other in line]
    for seed in _seeds(lines):
        if found := [ours[seed] - theirs[seed] for ours, theirs in both if seed in ours and seed in theirs]:
            known = [one for one in found if not math.isnan(one)]
            yield float(np.mean(known)) if known else math.nan


def _slopes(lines: Sequence[Line], at: Mapping[str, float]) -> dict[int, float]:
    """Return each seed's slope, of seeds at which some line has two rows or more."""
    slopes = {}
    for seed in _seeds(lines):
        spread = together = 0.0
        for line in lines:
            x, y = np.array([(at[level], runs[seed]) for level, runs in line.items() if seed in runs]).reshape(-1, 2).T
            if x.size > 1:
                spread += float(np.sum((x - x.mean()) ** 2))
                together += float(np.sum((x - x.mean()) * (y - y.mean())))
        if spread:
            slopes[seed] = together / spread
    return slopes


def _over_seeds(values: Sequence[float], outside: float) -> PairedDifference | None:
    zeros = [0.0] * len(values)
    return paired(differences(values, zeros, magnitude=MOST), zeros, outside=outside) if values else None
