"""What a new run may give."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def prediction_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return where one new draw from the same normal falls: mean ± t(level, n - 1) · sd · √(1 + 1/n).

    (NaN, NaN) for fewer than two values.
    """
    sample = np.asarray(values, dtype=float)
    n = sample.size
    if n < 2:
        return math.nan, math.nan
    half = -float(special.stdtrit(n - 1, (1 - level) / 2)) * float(sample.std(ddof=1)) * math.sqrt(1 + 1 / n)
    mean = float(sample.mean())
    return mean - half, mean + half
