"""The table of a study: one row a variant, each compared with the baseline seed by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import guards
from analysis.frame import frame
from analysis.printed import BILLION, MILLION, besides, compared
from analysis.row import Row
from analysis.statistics import PairedDifference, holm, paired
from analysis.verdict import reproduced, verdict
from lightning_bam.metrics import METRICS, Metric
from studies.published import Published
from studies.records import Record
from studies.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study's answer so far: its rows in order, what to beware of, and what it is conditional on.

    `baselines` has one row a panel, and panels differ in the slots `within`; `metric` is what is compared;
    `comparisons` is what p-values are adjusted for: every row of the whole study, finished, shown or not.
    """

    study: str
    question: str
    baselines: tuple[str, ...]
    within: tuple[str, ...]
    metric: Metric
    rows: list[Row]
    notes: list[str]
    fixed: dict[str, str]
    comparisons: int

    @property
    def complete(self) -> bool:
        """Whether every wanted run is complete."""
        return all(row.n == row.wanted for row in self.rows)

    @property
    def failed(self) -> bool:
        """Whether some run has failed."""
        return any(row.states["failed"] for row in self.rows)

    @property
    def prints_counts(self) -> bool:
        """Whether the paper prints the size of some row's network."""
        return any(row.printed_params or row.printed_macs for row in self.rows)

    def to_frame(self) -> pd.DataFrame:
        """Return one flat line a row: figures in percent, differences in percentage points."""
        return frame([self])


def tabulate(records: Sequence[Record], study: Study, costs: Mapping[str, tuple[int, int]] | None = None) -> Table:
    """Join a study with the records of its runs and compare each row with the baseline, seed by seed.

    Args:
        records: what `studies.records.gather` found; a wanted run without a record counts as missing.
        study: what was asked.
        costs: row -> (parameters, multiply-accumulates of one image), for rows without a finished run.

    Raises:
        ValueError: a record of another study, or a run that was scored on held-out data, not on test.

    """
    cells = _complete(records, study)
    states = _states(records, study)
    figures = {row: _figures(runs, study.metric) for row, runs in cells.items()}
    home = {row: panel.baseline for panel in study.panels for row in panel.rows}
    deltas = {row: _delta(figures[row], figures[home[row]]) for row in cells if row != home[row]}
    adjusted = holm([delta.p if delta else math.nan for delta in deltas.values()], comparisons=study.comparisons)
    p_holm = dict(zip(deltas, map(float, adjusted), strict=True))
    panels = [(panel.baseline, {row: cells[row] for row in panel.rows}) for panel in study.panels]
    twins = {row: twin for baseline, part in panels for row, twin in guards.twins(part, baseline).items()}
    rows = [
        _row(
            label,
            study,
            runs,
            figures[label],
            baseline=home[label],
            states=states[label],
            planned=(costs or {}).get(label),
            delta=deltas.get(label),
            p_holm=p_holm.get(label, math.nan),
            unchanged=twins.get(label) == home[label],
        )
        for label, runs in cells.items()
    ]
    trained = [record for runs in cells.values() for record in runs.values()]
    return Table(
        study=study.label,
        question=study.question,
        baselines=study.baselines,
        within=study.within,
        metric=study.scale,
        rows=rows,
        notes=[
            guards.coverage(len(study.seed_list), cells, states),
            *guards.partial(len(deltas), study.comparisons),
            *(note for baseline, part in panels for note in guards.unpaired(part, baseline)),
            *guards.unchanged(twins),
            *guards.mixed(trained),
            *guards.split_norm(trained),
            *guards.trained_with(trained),
        ],
        fixed=study.fixed(),
        comparisons=study.comparisons,
    )


def _row(
    label: str,
    study: Study,
    runs: Mapping[int, Record],
    figures: Mapping[int, float],
    *,
    baseline: str,
    states: Counter[str],
    planned: tuple[int, int] | None,
    delta: PairedDifference | None,
    p_holm: float,
    unchanged: bool,
) -> Row:
    values = list(figures.values())
    results = [record.result for record in runs.values() if record.result]
    wanted = len(study.seed_list)
    said = "baseline"
    if label != baseline:
        said = verdict(
            delta,
            p_holm,
            comparisons=study.comparisons,
            wanted=wanted,
            unchanged=unchanged,
            higher_is_better=study.scale.higher_is_better,
        )
        said = said if values else "not run"
    params, macs = (results[0].params, results[0].macs) if results else planned or (None, None)
    paper = study.printed(label) or Published()
    published = float(paper.values[study.metric]) if study.metric in paper.values else None
    printed_params, printed_macs = compared(params, paper.params, MILLION), compared(macs, paper.macs, BILLION)
    differs = any(count is not None and count.equal is False for count in (printed_params, printed_macs))
    return Row(
        label=label,
        params=params,
        macs=macs,
        errors=figures,
        n=len(values),
        wanted=wanted,
        mean=_mean(values),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        top5=_mean(list(_figures(runs, "error_top5").values())),
        delta=delta,
        p_holm=p_holm,
        verdict=said,
        published=published,
        reproduced=reproduced(values, published),
        states=states,
        baseline=baseline,
        printed_params=printed_params,
        printed_macs=printed_macs,
        others=tuple(
            besides(metric, text, list(_figures(runs, metric).values()))
            for metric, text in paper.values.items()
            if metric != study.metric
        ),
        note=" ".join(filter(None, (paper.note if differs else "", paper.counted_note))),
    )


def _complete(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    cells: dict[str, dict[int, Record]] = {row: {} for row in study.rows}
    seeds = set(study.seed_list)
    for record in records:
        row, seed = record.row, record.run.seed
        if row not in cells or seed not in seeds:
            raise ValueError(f"row {row!r}, seed {seed}: no run of study {study.label}")
        if record.run.score_on != "test":
            raise ValueError(
                f"row {row!r}, seed {seed}: scored on {record.run.score_on}; a table reports test errors only"
            )
        if record.result is not None:
            cells[row][seed] = record
    return {row: dict(sorted(runs.items())) for row, runs in cells.items()}


def _states(records: Sequence[Record], study: Study) -> dict[str, Counter[str]]:
    by_cell = {(record.row, record.run.seed): record.state for record in records}
    return {
        row: Counter(state for seed in study.seed_list if (state := by_cell.get((row, seed), "missing")) != "complete")
        for row in study.rows
    }


def _figures(runs: Mapping[int, Record], metric: str) -> dict[int, float]:
    name = METRICS[metric].name
    found = {seed: getattr(record.result, name) for seed, record in runs.items() if record.result}
    return {seed: figure for seed, figure in found.items() if figure is not None}


def _delta(ours: Mapping[int, float], baseline: Mapping[int, float]) -> PairedDifference | None:
    seeds = sorted(set(ours) & set(baseline))
    return paired([ours[seed] for seed in seeds], [baseline[seed] for seed in seeds]) if seeds else None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
