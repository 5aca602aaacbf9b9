"""What else a row's paired differences say, beside the t-test: other tests and intervals, a size without unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.bootstrap import bootstrap_interval
from analysis.statistics.exact import sign_flip
from analysis.statistics.paired import MOST, hedges_g, paired
from analysis.statistics.paired import differences as settle


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A second opinion on a row's differences from its baseline.

    Attributes:
        hedges_g: their mean over their standard deviation, corrected for a small n.
        p_sign_flip: the exact two-sided sign-flip test's p-value, which assumes symmetry alone; never below 2 / 2^n.
        bootstrap_low: lower bound of the 95 % BCa bootstrap interval of their mean, in percentage points; expanded
            for a small n.
        bootstrap_high: its upper bound.

    NaN stands where n or the spread is too small to say.
    """

    hedges_g: float
    p_sign_flip: float
    bootstrap_low: float
    bootstrap_high: float


def evidence(differences: Sequence[float]) -> Evidence:
    """Look at paired differences in other ways; the same differences always give the same figures."""
    zeros = [0.0] * len(differences)
    settled = settle(differences, zeros, magnitude=MOST)
    low, high = bootstrap_interval(settled, zeros, np.random.default_rng(0))
    return Evidence(
        hedges_g=hedges_g(paired(settled, zeros)),
        p_sign_flip=sign_flip(settled, zeros, np.random.default_rng(0), magnitude=MOST),
        bootstrap_low=low,
        bootstrap_high=high,
    )
