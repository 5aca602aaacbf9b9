"""A study's records by row and seed: the finished runs, those that have begun, and where the others stand."""

from collections import Counter
from collections.abc import Mapping, Sequence

from studies.definition.study import Study
from studies.records.records import Record

Counts = tuple[int | None, int | None]
"""Parameters and multiply-accumulates of one image; None where unknown."""
Cells = Mapping[str, Mapping[int, Record]]
"""Row -> seed -> record."""


def homes(study: Study) -> dict[str, str]:
    """Return row -> its baseline."""
    return {row: panel.baseline for panel in study.panels for row in panel.rows}


def finished(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    """Return the runs with a result, which alone enter a table.

    Raises:
        ValueError: a record of another study, or a run that was scored on held-out data, not on test.

    """
    cells: dict[str, dict[int, Record]] = {row: {} for row in study.rows}
    for record in sorted(records, key=lambda record: record.run.seed):
        row, seed, scored = record.row, record.run.seed, record.run.score_on
        if row not in cells or seed not in study.seed_list:
            raise ValueError(f"row {row!r}, seed {seed}: no run of study {study.label}")
        if scored != "test":
            raise ValueError(f"row {row!r}, seed {seed}: scored on {scored}; a table reports test errors only")
        if record.result is not None:
            cells[row][seed] = record
    return cells


def begun(records: Sequence[Record], study: Study) -> dict[str, dict[int, Record]]:
    """Return every run that has a folder, finished or not."""
    rows: dict[str, dict[int, Record]] = {row: {} for row in study.rows}
    for record in records:
        if record.state != "missing":
            rows[record.row][record.run.seed] = record
    return rows


def unfinished(records: Sequence[Record], wanted: Mapping[str, Sequence[int]]) -> dict[str, Counter[str]]:
    """Return how many of each row's `wanted` runs are in which state other than complete."""
    states = {(record.row, record.run.seed): record.state for record in records}
    return {
        row: Counter(state for seed in seeds if (state := states.get((row, seed), "missing")) != "complete")
        for row, seeds in wanted.items()
    }
