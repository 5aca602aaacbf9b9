"""A row beside another one, seed by seed: each pair of figures, the curves that led to them, and saturated gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from analysis.statistics.paired import PairedDifference
from analysis.table.build import tables
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class PairedRows:
    """The row `row` beside `against`, by the study's metric in percent.

    `pairs` are seed -> the figure of each where both are complete, `delta` the first less the second in percentage
    points with its interval, `p` adjusted as in the table for its `comparisons`, and `verdict` its words. `curves` are
    (epoch from 0, means of each over the seeds of these pairs); `gates` are place -> what share of each row's gate is
    saturated in the last epoch, a mean over seeds, None for a row without one there.
    """

    row: str
    against: str
    metric: str
    pairs: dict[int, tuple[float, float]]
    delta: PairedDifference | None
    p: float
    comparisons: int
    verdict: str
    curves: list[tuple[int, float, float]]
    gates: dict[str, tuple[float | None, float | None]]


def paired_rows(study: Study, records: Sequence[Record], row: str, against: str) -> PairedRows:
    """Compare a row of a study with another; a StudyError for one that it cannot be compared with."""
    if row == against:
        raise StudyError(f"--against {against}: is the row itself")
    other = study.against(against)
    if row not in other.rows or next(panel.baseline for panel in other.panels if row in panel.rows) != against:
        raise StudyError(f"--against {against}: stands in another panel than {row!r}, so that the two are no pair")
    (table,) = tables([(other, [record for record in records if record.row in other.rows])])
    first, second = (next(one for one in table.rows if one.label == label) for label in (row, against))
    seeds = sorted(first.errors.keys() & second.errors.keys())
    runs = {(record.row, record.run.seed): record for record in records}
    ours, theirs = ([runs[label, seed] for seed in seeds] for label in (row, against))
    curves = _means(ours, study.metric), _means(theirs, study.metric)
    gates = _saturated(ours), _saturated(theirs)
    return PairedRows(
        row=row,
        against=against,
        metric=study.metric,
        pairs={seed: (first.errors[seed], second.errors[seed]) for seed in seeds},
        delta=first.delta,
        p=first.p_adjusted,
        comparisons=table.comparisons,
        verdict=str(first.verdict),
        curves=[(epoch, curves[0][epoch], curves[1][epoch]) for epoch in sorted(curves[0].keys() & curves[1].keys())],
        gates={place: (gates[0].get(place), gates[1].get(place)) for place in dict.fromkeys((*gates[0], *gates[1]))},
    )


def _means(records: Sequence[Record], metric: str) -> dict[int, float]:
    """Return epoch -> the mean of the metric over these runs, where all of them were scored."""
    runs = [{line["epoch"]: line[metric] for line in run.metrics if line.get(metric) is not None} for run in records]
    epochs = set.intersection(*map(set, runs)) if runs else set()
    return {epoch: fmean(run[epoch] for run in runs) for epoch in epochs}


def _saturated(records: Sequence[Record]) -> dict[str, float]:
    """Return place -> the share of the gate that is saturated after the last epoch, a mean over the runs with one."""
    gates: list[Mapping[str, Any]] = [run.metrics[-1].get("gates", {}) for run in records if run.metrics]
    places = dict.fromkeys(place for gate in gates for place in gate)
    return {place: fmean(gate[place]["saturated"] for gate in gates if place in gate) for place in places}
