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
from analysis.table.published import Compatible, PrintedCount, PrintedFigure
from analysis.table.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A second opinion on a row's differences from its baseline; NaN where n or the spread is too small to say.

    All of it is about the row alone, and not adjusted. `p_sign_flip` is of the exact two-sided sign-flip test, never
    below 2 / 2^n; `t_low` and `t_high` bound the 95 % t interval of their mean in percentage points, `bootstrap_low`
    and `bootstrap_high` the 95 % BCa bootstrap interval, expanded for a small n.
    """

    hedges_g: float
    p_sign_flip: float
    t_low: float
    t_high: float
    bootstrap_low: float
    bootstrap_high: float


def evidence(deltas: Sequence[float]) -> Evidence:
    """Look at paired differences in other ways; the same differences always give the same figures."""
    zeros = [0.0] * len(deltas)
    settled = differences(deltas, zeros, magnitude=MOST)
    low, high = bootstrap_interval(settled, zeros, np.random.default_rng(0))
    alone = paired(settled, zeros)
    return Evidence(
        hedges_g=hedges_g(alone),
        p_sign_flip=sign_flip(settled, zeros, np.random.default_rng(0), magnitude=MOST),
        t_low=alone.low,
        t_high=alone.high,
        bootstrap_low=low,
        bootstrap_high=high,
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant's figures over its complete runs, in percent; None and NaN where there is none.

    `errors` are seed -> the study's metric of the last epoch, `mean` and `sd` (sample, n - 1) theirs. Of `wanted` runs
    n are complete, the others in `states`. `delta` is the figure less that of the row `baseline`, in percentage points
    over the seeds that both have, `differences` what it is the mean of; its interval holds together with those of all
    other rows. `p_adjusted` and `p_tost`, of equivalence within the margin, are adjusted over the table (Bonferroni),
    as is `p_holm` (Holm, a second opinion). Where seeds follow a rule these are NaN, and `p_tost` is that of the last
    look, to be held against the limit in `interim`.

    `best`: no other row of its panel is better (`analysis.table.best`). `published` is the paper's figure and
    `published_delta` its difference to that of the baseline, `compatible` and `compatible_delta` whether ours agree;
    `printed_params` (in millions), `printed_macs` (of one image, in 1e9) and
    `others` what else it prints, `note` what is known where counts differ. `marks` are the letters of the table's
    footnotes that speak of this row's runs, `notes` the table's notes about it alone.
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
    p_adjusted: float
    p_holm: float
    verdict: Verdict
    published: float | None
    compatible: Compatible
    states: Counter[str]
    baseline: str
    published_delta: float | None = None
    compatible_delta: Compatible = ""
    best: bool = False
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
        """Which interval `delta` has: `simultaneous`, or `repeated` where seeds follow a rule; empty without one."""
        if self.delta is None or math.isnan(self.delta.low):
            return ""
        return "simultaneous" if self.interim is None else "repeated"

    @cached_property
    def evidence(self) -> Evidence | None:
        """What else its differences say; None without any."""
        return evidence(self.differences) if self.differences else None
