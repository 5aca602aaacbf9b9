"""Estimated marginal means: what the additive model says of each level of a factor, whatever cells are missing."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.anova import indicators

L = TypeVar("L", bound=Hashable)
"""A level of a factor."""
ROUNDING = 1e-9
"""A weight below this is the rounding of the arithmetic."""


def marginal_means(
    figures: ArrayLike, levels: Mapping[str, Sequence[L]], seeds: Sequence[int], factors: Mapping[str, Sequence[L]]
) -> dict[tuple[str, L], tuple[float, float]]:
    """Estimate the mean at each level (least-squares means; Searle, Speed and Milliken, 1980).

    The model is additive in the factors and the seeds (blocks), fitted by least squares. A level's mean is what the fit
    says of it on average over all levels of the other factors and all seeds that have a run, each with the same weight.
    So a level that was not run with a costly level of another factor does not look better for it. In a complete design
    it is the mean of the level's runs. `levels` and `seeds` have those of each run, `factors` the order to name levels.

    Returns (factor, level) -> the mean and its standard error, where that of one figure is 1; NaN where the runs cannot
    tell them.
    """
    y = np.asarray(figures, dtype=float)
    middle = float(y.mean())
    present = {name: [level for level in of if level in set(levels[name])] for name, of in factors.items()}
    columns = [indicators(levels[name], present[name]) for name in factors]
    x = np.hstack([np.ones((y.size, 1)), *columns, indicators(seeds)])
    inverse = np.linalg.pinv(x, rcond=ROUNDING)
    sizes = [*map(len, present.values()), len(set(seeds))]
    average = np.concatenate([[1.0], *(np.full(size, 1 / size) for size in sizes)])
    means = {(name, level): (math.nan, math.nan) for name, of in factors.items() for level in of}
    start = 1
    for name in factors:
        end = start + len(present[name])
        for column, level in enumerate(present[name], start):
            row = average.copy()
            row[start:end] = 0
            row[column] = 1
            weights = row @ inverse
            if np.abs(weights @ x - row).max() < ROUNDING:
                means[name, level] = middle + float(weights @ (y - middle)), float(np.linalg.norm(weights))
        start = end
    return means
