"""What else a row's paired differences say, beside the t-test: other tests and intervals, a size without unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.bootstrap import bootstrap_interval
from analysis.statistics.exact import sign_flip
from analysis.statistics.paired import MOST, differences, hedges_g, paired


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A second opinion on a row's differences from its baseline; NaN where n or the spread is too small to say.

    `hedges_g` is their mean over their standard deviation, corrected for a small n. `p_sign_flip` is of the exact
    two-sided sign-flip test, which assumes symmetry alone; never below 2 / 2^n. `bootstrap_low` and `bootstrap_high`
    bound the 95 % BCa bootstrap interval of their mean, in percentage points, expanded for a small n.
    """

    hedges_g: float
    p_sign_flip: float
    bootstrap_low: float
    bootstrap_high: float


def evidence(deltas: Sequence[float]) -> Evidence:
    """Look at paired differences in other ways; the same differences always give the same figures."""
    zeros = [0.0] * len(deltas)
    settled = differences(deltas, zeros, magnitude=MOST)
    low, high = bootstrap_interval(settled, zeros, np.random.default_rng(0))
    return Evidence(
        hedges_g=hedges_g(paired(settled, zeros)),
        p_sign_flip=sign_flip(settled, zeros, np.random.default_rng(0), magnitude=MOST),
        bootstrap_low=low,
        bootstrap_high=high,
    )
