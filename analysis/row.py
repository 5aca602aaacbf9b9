"""A row of the table: one variant, its figures, and how it compares with the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.statistics import PairedDifference


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant's figures, over its complete runs.

    Attributes:
        label: the row's label in the study.
        params: trainable parameters; None where unknown.
        macs: multiply-accumulates of one image; None where unknown.
        errors: seed -> top-1 test error in percent, of the last epoch.
        n: complete runs.
        wanted: runs that the study asks for.
        mean: mean top-1 error in percent; NaN without runs.
        sd: sample standard deviation (n - 1) of the errors in percentage points; NaN for n < 2.
        top5: mean top-5 error in percent; NaN without runs.
        delta: the error less the baseline's, in percentage points, over the seeds that both have; None for
            the baseline and without such seeds.
        p_holm: p-value of `delta`, adjusted over the table; NaN where there is none.
        verdict: what may be concluded.
        published: the paper's top-1 error in percent, if it gives one.
        reproduced: whether ours agrees with it; empty where nothing is published.
        states: how many of the other runs are missing, failed, lost, running, pruned.

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
    verdict: str
    published: float | None
    reproduced: str
    states: Counter[str]
