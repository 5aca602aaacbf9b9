"""A row of the table: one variant, its figures, how it compares with the baseline, and what else tells of that."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.statistics.paired import MOST, PairedDifference, differences, hedges_g, paired
from analysis.statistics.resampling import bootstrap_interval, sign_flip
from analysis.table.interim import Interim
from analysis.table.published import PrintedCount, PrintedFigure
from analysis.table.verdict import Verdict


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


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant's figures over its complete runs, in percent; None and NaN where there is none.

    Attributes:
        params: trainable parameters.
        macs: multiply-accumulates of one image.
        errors: seed -> the study's metric, of the last epoch (the top-1 test error unless it says else).
        n: complete runs, of `wanted`; the others are missing, failed, interrupted, running or pruned in `states`.
        sd: sample standard deviation (n - 1) of `errors` in percentage points; NaN for n < 2.
        delta: the figure less the baseline's, in percentage points, over the seeds that both have.
        p_holm: p-value of `delta`, adjusted over the table; NaN where seeds follow a rule.
        differences: the paired differences behind `delta`, in the order of the seeds.
        p_tost: p-value of equivalence within the study's margin, Holm-adjusted over the table.
        interim: where the row stands in a study whose seeds follow a stopping rule.
        published: the paper's figure; `reproduced` says whether ours agrees with it.
        baseline: the label of the row that this one is compared with; its own for a baseline.
        printed_params: the parameters that the paper prints, in millions, and whether they are ours.
        printed_macs: the same for the multiply-accumulates of one image, in 1e9.
        others: what else the paper prints for this row, as a top-5 error.
        note: what is known about the printed counts where they are not ours, and what counting showed.
        marks: the letters of the table's footnotes that speak of this row's runs.
        notes: those of the table's notes that are about this row alone.

    """

    label: str
    params: int | None
    macs: int | None
    errors: Mapping[int, float]
    n: int
    wanted: int
    mean: float
    sd: float
    top5: float
    delta: PairedDifference | None
    p_holm: float
    verdict: Verdict
    published: float | None
    reproduced: str
    states: Counter[str]
    baseline: str
    differences: tuple[float, ...] = ()
    p_tost: float = math.nan
    interim: Interim | None = None
    printed_params: PrintedCount | None = None
    printed_macs: PrintedCount | None = None
    others: tuple[PrintedFigure, ...] = ()
    note: str = ""
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def interval(self) -> str:
        """Which interval `delta` has: `95 % t`, or `repeated` where seeds follow a rule; empty where it has none."""
        if self.delta is None or math.isnan(self.delta.low):
            return ""
        return "95 % t" if self.interim is None else "repeated"

    @cached_property
    def evidence(self) -> Evidence | None:
        """What else its differences say; None without any."""
        return evidence(self.differences) if self.differences else None
