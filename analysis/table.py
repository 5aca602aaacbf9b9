"""The table of a study: one row a variant, each compared with the baseline seed by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import guards
from analysis.row import Row
from analysis.statistics import PairedDifference, holm, paired
from analysis.verdict import reproduced, verdict
from studies.records import Record
from studies.study import Study

if TYPE_CHECKING:
    import pandas as pd

STATES = ("missing", "failed", "lost", "running", "pruned")
"""Where a run may stand that is not complete."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study's answer so far: its rows in order, what to beware of, and what it is conditional on.

    `comparisons` is what p-values are adjusted for: every row of the whole study, finished, shown or not.
    """

    study: str
    question: str
    baseline: str
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

    def to_frame(self) -> pd.DataFrame:
        """Return one flat line a row: errors in percent, differences in percentage points."""
        import pandas as pd

        lines = []
        for row in self.rows:
            delta = row.delta
            lines.append(
                {
                    "study": self.study,
                    "row": row.label,
                    "params": row.params,
                    "macs": row.macs,
                    "error_top1_mean": row.mean,
                    "error_top1_sd": row.sd,
                    "n": row.n,
                    "wanted": row.wanted,
                    "delta": delta.mean if delta else math.nan,
                    "delta_low": delta.low if delta else math.nan,
                    "delta_high": delta.high if delta else math.nan,
                    "p": delta.p if delta else math.nan,
                    "p_holm": row.p_holm,
                    "verdict": row.verdict,
                    "published": math.nan if row.published is None else row.published,
                    "reproduced": row.reproduced,
                }
                | {state: row.states[state] for state in STATES}
            )
        return pd.DataFrame(lines).astype({"params": "Int64", "macs": "Int64"})


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
    baseline = _errors(cells[study.baseline])
    deltas = {row: _delta(_errors(runs), baseline) for row, runs in cells.items() if row != study.baseline}
    adjusted = holm([delta.p if delta else math.nan for delta in deltas.values()], comparisons=study.comparisons)
    p_holm = dict(zip(deltas, map(float, adjusted), strict=True))
    twins = guards.twins(cells, study.baseline)
    rows = [
        _row(
            label,
            study,
            runs,
            states=states[label],
            planned=(costs or {}).get(label),
            delta=deltas.get(label),
            p_holm=p_holm.get(label, math.nan),
            unchanged=twins.get(label) == study.baseline,
        )
        for label, runs in cells.items()
    ]
    trained = [record for runs in cells.values() for record in runs.values()]
    return Table(
        study=study.label,
        question=study.question,
        baseline=study.baseline,
        rows=rows,
        notes=[
            guards.coverage(len(study.seed_list), cells, states),
            *guards.partial(len(deltas), study.comparisons),
            *guards.unpaired(cells, study.baseline),
            *guards.unchanged(twins),
            *guards.mixed(trained),
            *guards.trained_with(trained),
        ],
        fixed=study.fixed(),
        comparisons=study.comparisons,
    )


def _row(
    label: str,
    study: Study,
    runs: Mapping[int, Record],
    *,
    states: Counter[str],
    planned: tuple[int, int] | None,
    delta: PairedDifference | None,
    p_holm: float,
    unchanged: bool,
) -> Row:
    errors = _errors(runs)
    values = list(errors.values())
    results = [record.result for record in runs.values() if record.result]
    wanted = len(study.seed_list)
    said = verdict(delta, p_holm, comparisons=study.comparisons, wanted=wanted, unchanged=unchanged)
    params, macs = (results[0].params, results[0].macs) if results else planned or (None, None)
    return Row(
        label=label,
        params=params,
        macs=macs,
        errors=errors,
        n=len(values),
        wanted=wanted,
        mean=_mean(values),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        top5=_mean([result.error_top5 for result in results]),
        delta=delta,
        p_holm=p_holm,
        verdict="baseline" if label == study.baseline else said,
        published=study.published.get(label),
        reproduced=reproduced(values, study.published.get(label)),
        states=states,
    )


def _complete(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    cells: dict[str, dict[int, Record]] = {row: {} for row in study.rows}
    for record in records:
        where = f"row {record.row!r}, seed {record.run.seed}"
        if record.row not in cells or record.run.seed not in study.seed_list:
            raise ValueError(f"{where}: no run of study {study.label}")
        if record.run.score_on != "test":
            raise ValueError(f"{where}: scored on {record.run.score_on}; a table reports test errors only")
        if record.result is not None:
            cells[record.row][record.run.seed] = record
    return {row: dict(sorted(runs.items())) for row, runs in cells.items()}


def _states(records: Sequence[Record], study: Study) -> dict[str, Counter[str]]:
    by_cell = {(record.row, record.run.seed): record.state for record in records}
    return {
        row: Counter(state for seed in study.seed_list if (state := by_cell.get((row, seed), "missing")) != "complete")
        for row in study.rows
    }


def _errors(runs: Mapping[int, Record]) -> dict[int, float]:
    return {seed: record.result.error_top1 for seed, record in runs.items() if record.result}


def _delta(ours: Mapping[int, float], baseline: Mapping[int, float]) -> PairedDifference | None:
    seeds = sorted(set(ours) & set(baseline))
    return paired([ours[seed] for seed in seeds], [baseline[seed] for seed in seeds]) if seeds else None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
