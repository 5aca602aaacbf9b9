"""The analysis of variance of a factorial study."""

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
    """A line of the analysis of variance (type II): a factor, `a x b`, the seeds, or the residual, without `f` and `p`.

    `share` is partial eta squared, SS / (SS + residual SS). NaN stands where the residual is 0.
    """

    name: str
    df: float
    sum_of_squares: float
    f: float = math.nan
    p: float = math.nan
    share: float = math.nan


def anova(figures: ArrayLike, factors: Mapping[str, Sequence[str]], seeds: Sequence[int]) -> list[Source]:
    """Take the variance of runs apart by factors, pairs of factors, and seeds (type II; Yates, 1934).

    The model is additive in the seeds (blocks), the factors, and all interactions of two of them, or without the
    interactions where they leave the residual no degree of freedom. A source's sum of squares is what it explains
    beyond all other sources that do not contain it. Degrees of freedom are ranks, so cells may be empty (statsmodels'
    `anova_lm(typ=2)` is wrong there). `figures` has one figure a run, `factors` name -> the level of each run, `seeds`
    the seed of each. Returns factors, interactions, seeds and residual, or nothing where nothing is left for the
    residual.
    """
    y = np.asarray(figures, dtype=float)
    rounding = y.size * (ROUNDING * float(np.abs(y).max())) ** 2
    y = y - y.mean()
    main = {(name,): indicators(levels) for name, levels in factors.items()}
    pairs = {(a, b): indicators(list(zip(factors[a], factors[b], strict=True))) for a, b in combinations(factors, 2)}
    blocks = {(SEEDS,): indicators(seeds)}
    for terms in (main | pairs | blocks, main | blocks):
        residual, rank = _residual(y, terms.values())
        if rank < y.size:
            break
    else:
        return []
    residual, freedom = residual if residual > rounding else 0.0, y.size - rank
    sources = []
    for term, columns in terms.items():
        others = [column for other, column in terms.items() if not set(term) <= set(other)]
        without, lower = _residual(y, others)
        within, higher = _residual(y, [*others, columns])
        if higher > lower:
            explained = without - within if without - within > rounding else 0.0
            sources.append(_source(" x ".join(term), higher - lower, explained, residual, freedom))
    return [*sources, Source(name=RESIDUAL, df=freedom, sum_of_squares=residual)]


def indicators(levels: Sequence[Hashable], order: Iterable[Hashable] | None = None) -> NDArray[np.float64]:
    """Return one column a level, 1 where a run has it; in this order, else in that of their first runs."""
    column = {level: index for index, level in enumerate(dict.fromkeys(levels if order is None else order))}
    return np.eye(len(column))[[column[level] for level in levels]]


def _residual(y: NDArray[np.float64], parts: Iterable[NDArray[np.float64]]) -> tuple[float, int]:
    """Return the residual sum of squares of the fit of a constant and these columns, and their rank."""
    x = np.hstack([np.ones((y.size, 1)), *parts])
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    return float(np.sum((y - x @ beta) ** 2)), int(rank)


def _source(name: str, df: int, explained: float, residual: float, freedom: int) -> Source:
    if not residual:
        return Source(name=name, df=df, sum_of_squares=explained, share=1.0 if explained else math.nan)
    f = explained / df / (residual / freedom)
    p, share = float(special.fdtrc(df, freedom, f)), explained / (explained + residual)
    return Source(name=name, df=df, sum_of_squares=explained, f=f, p=p, share=share)
