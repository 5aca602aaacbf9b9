"""A study's records by row and seed: the finished runs, those that have begun, and where the others stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from studies.definition.study import Study
from studies.records.records import Record

Counts = tuple[int | None, int | None]
"""Parameters and multiply-accumulates of one image; None where unknown."""
Cells = Mapping[str, Mapping[int, Record]]
"""Row -> seed -> record."""


def finished(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    """Return the runs with a result, which alone enter a table.

    Raises:
        ValueError: a record of another study, or a run that was scored on held-out data, not on test.

    """
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


def begun(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    """Return every run that has a folder, finished or not."""
    rows: dict[str, dict[int, Record]] = {row: {} for row in study.rows}
    for record in records:
        if record.state != "missing":
            rows[record.row][record.run.seed] = record
    return rows


def with_seeds(rows: Cells, wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Record]]:
    """Return the runs of each row that have one of its wanted seeds."""
    asked = {row: set(seeds) for row, seeds in wanted.items()}
    return {row: {seed: run for seed, run in runs.items() if seed in asked[row]} for row, runs in rows.items()}


def counted(runs: Mapping[int, Record], planned: Counts | None) -> Counts:
    """Return what a finished run has counted, else what is `planned`."""
    result = next((record.result for record in runs.values() if record.result), None)
    return (result.params, result.macs) if result else planned or (None, None)


def unfinished(records: Sequence[Record], wanted: Mapping[str, Sequence[int]]) -> dict[str, Counter[str]]:
    """Return where each row's runs without a result stand, and how many there.

    Args:
        records: of the study.
        wanted: row -> the seeds that it should have.

    """
    by_cell = {(record.row, record.run.seed): record.state for record in records}
    return {
        row: Counter(state for seed in seeds if (state := by_cell.get((row, seed), "missing")) != "complete")
        for row, seeds in wanted.items()
    }
