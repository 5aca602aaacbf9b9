"""A table of figures that come as arrays: those of another program, or of a paper that prints its seeds."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.families import bonferroni
from analysis.statistics.paired import MOST, paired, tost
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.published import mean_sd
from analysis.table.verdict import LEVEL, Verdict, verdict
from lightning_bam.config import Metric, nearest
from lightning_bam.json_text import short
from studies.errors import StudyError

ERROR: Final = Metric(name="error", label="error (%)")
"""What figures are taken for where nobody says."""


def table_of_arrays(
    figures: Mapping[str, ArrayLike], *, baseline: str, margin: float | None = None, metric: Metric = ERROR
) -> Table:
    """Return a table whose rows are compared with the `baseline` seed by seed, as those of a study are.

    `figures` is row -> array of shape (seeds,) in percent: place i is the same seed in every row, NaN one that a row
    has no figure of. `margin` is the largest difference in percentage points that is too small to matter. Raises
    StudyError: fewer than two rows, no such baseline, or what is no such array.
    """
    if baseline not in figures:
        raise StudyError(f"baseline={baseline!r}: no such row; {nearest(baseline, figures)}")
    if len(figures) < 2:
        raise StudyError(f"figures: {baseline!r} alone; give rows to compare with it")
    if margin is not None and not 0 < margin < MOST:
        raise StudyError(f"margin={margin!r}: give percentage points above 0 and below {MOST:g}, as 0.3")
    arrays = {row: _array(row, values) for row, values in figures.items()}
    for row, values in arrays.items():
        if values.shape != arrays[baseline].shape:
            lengths = f"{values.size} figures, {baseline!r} has {arrays[baseline].size}"
            raise StudyError(
                f"figures[{row!r}]: {lengths}; give one a seed in the same order, NaN where one is missing"
            )
    numbered = {row: enumerate(values.tolist()) for row, values in arrays.items()}
    cells = {row: {seed: one for seed, one in pairs if not math.isnan(one)} for row, pairs in numbered.items()}
    return Table(
        study="",
        question="",
        baselines=(baseline,),
        within=(),
        metric=metric,
        rows=[_row(row, cells, baseline, margin, metric) for row in cells],
        notes=[],
        made=[],
        fixed={},
        comparisons=len(cells) - 1,
        margin=margin,
    )


def _array(row: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim != 1 or not array.size or (np.abs(array) > MOST).any():
        raise StudyError(f"figures[{row!r}]={short(values)}: give one figure a seed in percent, as [14.1, 15.0, 14.4]")
    return array


def _row(
    row: str, cells: Mapping[str, Mapping[int, float]], baseline: str, margin: float | None, metric: Metric
) -> Row:
    """Compare one row with the baseline at the seeds that both have; p is adjusted as in a study (Bonferroni)."""
    own, base, count = cells[row], cells[baseline], len(cells) - 1
    seeds = [] if row == baseline else sorted(own.keys() & base.keys())
    ours, theirs = [own[seed] for seed in seeds], [base[seed] for seed in seeds]
    delta = paired(ours, theirs, outside=LEVEL / count) if seeds else None
    p = bonferroni(delta.p, count) if delta else math.nan
    p_tost = bonferroni(tost(delta, margin), count) if delta and margin is not None else math.nan
    higher = metric.higher_is_better
    found = verdict(delta, p, wanted=len(seeds), higher_is_better=higher, p_tost=p_tost, margin=margin)
    mean, sd = mean_sd(list(own.values()))
    return Row(
        label=row,
        params=None,
        macs=None,
        errors=own,
        n=len(own),
        wanted=len(own),
        mean=mean,
        sd=sd,
        top5=math.nan,
        delta=delta,
        differences=tuple(one - other for one, other in zip(ours, theirs, strict=True)),
        p_adjusted=p,
        p_holm=math.nan,
        p_tost=p_tost,
        verdict=Verdict(kind="baseline") if row == baseline else found,
        published=None,
        compatible="",
        states=Counter(),
        baseline=baseline,
    )
