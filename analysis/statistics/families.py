"""Families of p-values: several comparisons in one table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bonferroni(p: float, comparisons: int) -> float:
    """Adjust one p-value for a family of so many (Dunn, 1961); NaN stays NaN.

    It is below 0.05 exactly where the interval of level 1 - 0.05 / comparisons leaves out 0.
    """
    return float(np.minimum(comparisons * p, 1.0))


def holm(p_values: ArrayLike, comparisons: int | None = None) -> NDArray[np.float64]:
    """Adjust a family of p-values for multiplicity (Holm, 1979): the step-down Bonferroni.

    Sorted from the least, the i-th of m (from 0) is multiplied by m - i; none falls below the one before it,
    none exceeds 1. NaN stays NaN. `comparisons` is m, by default the number of those that are not NaN.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN comes last
    m = len(order) if comparisons is None else comparisons
    adjusted = np.full(p.shape, np.nan)
    steps = (m - np.arange(len(order))) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
