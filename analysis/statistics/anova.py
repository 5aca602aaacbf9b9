"""The analysis of variance of a factorial study."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

SEEDS = "seeds"
RESIDUAL = "residual"

ROUNDING = 1e-13
"""A deviation below this part of the largest figure is the rounding of the arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A line of the analysis of variance (type II): a factor, `a x b`, the seeds, or the residual.

    `f`, `p` and `share` (partial eta squared, SS / (SS + residual SS)) are NaN for the residual; `f` and `p` also where
    the residual is 0, and `share` where 0 is divided by 0.
    """

    name: str
    df: float
    sum_of_squares: float
    f: float
    p: float
    share: float


def anova(figures: ArrayLike, factors: Mapping[str, Sequence[str]], seeds: Sequence[int]) -> list[Source]:
    """Take the variance of runs apart by factors, pairs of factors, and seeds (type II; Yates, 1934).

    The model is additive in the seeds (blocks), the factors, and all interactions of two of them; where that leaves no
    degree of freedom for the residual, in seeds and factors alone. Interactions of three and more factors are part of
    the residual. A source's sum of squares is what it explains beyond all other sources that do not contain it: the
    drop of the residual sum of squares as it joins them. F divides its mean square by the residual's. Degrees of
    freedom are ranks, so that a cell without a run is no harm, unlike to statsmodels' `anova_lm(typ=2)`, which gives
    the same for a design of full rank and wrong sums of squares for any other. A source that the others leave no
    freedom, as the interaction of two factors that were not crossed, has no line.

    Args:
        figures: one figure a run, shape (n,).
        factors: name -> the level of each run.
        seeds: the seed of each run.

    Returns:
        Factors, interactions, seeds (if there are several), residual; empty where nothing is left for the residual.

    Raises:
        ValueError: no runs, figures that are not finite, or other than one level and one seed a run.

    """
    y = np.asarray(figures, dtype=float)
    if y.ndim != 1 or not y.size or any(len(of) != y.size for of in (*factors.values(), seeds)):
        raise ValueError("analysis of variance: needs runs, and one figure, one level a factor and one seed for each")
    if not np.isfinite(y).all():
        raise ValueError("analysis of variance: needs finite figures")
    rounding = y.size * (ROUNDING * float(np.abs(y).max())) ** 2
    y = y - y.mean()
    columns = {(name,): _indicators(levels) for name, levels in factors.items()}
    pairs = {(a, b): _indicators(list(zip(factors[a], factors[b], strict=True))) for a, b in combinations(factors, 2)}
    blocks = {(SEEDS,): _indicators(seeds)}
    for terms in (columns | pairs | blocks, columns | blocks):
        squares, rank = _residual(y, terms.values())
        if rank < y.size:
            break
    else:
        return []
    squares, freedom = _settled(squares, rounding), y.size - rank
    sources = []
    for term, added in terms.items():
        others = [column for other, column in terms.items() if not set(term) <= set(other)]
        without, fewer = _residual(y, others)
        within, more = _residual(y, [*others, added])
        if more > fewer:
            explained = _settled(without - within, rounding)
            sources.append(_source(" x ".join(term), more - fewer, explained, squares, freedom))
    rest = Source(name=RESIDUAL, df=freedom, sum_of_squares=squares, f=math.nan, p=math.nan, share=math.nan)
    return [*sources, rest]


def _indicators(levels: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return one column a level, 1 where a run has it."""
    place = {level: index for index, level in enumerate(dict.fromkeys(levels))}
    return np.eye(len(place))[[place[level] for level in levels]]


def _residual(y: NDArray[np.float64], parts: Iterable[NDArray[np.float64]]) -> tuple[float, int]:
    """Return the residual sum of squares of the least-squares fit of a constant and these columns, and their rank."""
    x = np.hstack([np.ones((y.size, 1)), *parts])
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    return float(np.sum((y - x @ beta) ** 2)), int(rank)


def _settled(squares: float, rounding: float) -> float:
    return squares if squares > rounding else 0.0


def _source(name: str, df: int, explained: float, residual: float, freedom: int) -> Source:
    f = explained / df / (residual / freedom) if residual else math.nan
    whole = explained + residual
    return Source(
        name=name,
        df=df,
        sum_of_squares=explained,
        f=f,
        p=float(special.fdtrc(df, freedom, f)) if residual else math.nan,
        share=explained / whole if whole else math.nan,
    )
