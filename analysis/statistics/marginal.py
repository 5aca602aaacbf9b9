"""Estimated marginal means: what the additive model says of each level of a factor, whatever cells are missing."""

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.anova import SEEDS, indicators

ROUNDING = 1e-9
"""A weight below this is the rounding of the arithmetic."""


def marginal_means(
    figures: ArrayLike, levels: Mapping[str, Sequence[str]], seeds: Sequence[int], factors: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], tuple[float, float]]:
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
    present: dict[str, list[Hashable]] = {
        name: [level for level in of if level in set(levels[name])] for name, of in factors.items()
    }
    columns = [indicators(levels[name], present[name]) for name in factors]
    x = np.hstack([np.ones((y.size, 1)), *columns, indicators(seeds)])
    inverse = np.linalg.pinv(x, rcond=ROUNDING)
    present[SEEDS] = list(dict.fromkeys(seeds))
    average = np.concatenate([[1.0], *(np.full(len(of), 1 / len(of)) for of in present.values())])
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
                means[name, str(level)] = middle + float(weights @ (y - middle)), float(np.linalg.norm(weights))
        start = end
    return means
