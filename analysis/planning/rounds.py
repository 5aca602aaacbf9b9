"""Seeds by a stopping rule: look, train what the open rows still need, look again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from analysis.table.build import Table, tabulate
from analysis.table.model import Row
from studies.definition.study import Study
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Round:
    """The rows that are to be trained before the next look, with their baselines, on its seeds; all `open` rows."""

    study: Study
    seeds: int
    open: tuple[str, ...]


def next_round(study: Study, table: Table) -> Round | None:
    """Return what the rule wants next of the whole study, or None where every row has stopped.

    Rows that wait for different looks catch up first. One that changes nothing, or that has failed runs, or whose
    baseline has, is left out.
    """
    failed = {row.label for row in table.rows if row.states["failed"]}
    waiting = {
        row.label: row.interim.wanted
        for row in table.rows
        if row.interim and is_waiting(row) and not {row.label, row.baseline} & failed
    }
    if not waiting:
        return None
    seeds = min(waiting.values())
    rows = tuple(label for label, wanted in waiting.items() if wanted == seeds)
    part = replace(study, stopping=None, seeds=study.seed_list[:seeds]).only({"row": rows})
    return Round(study=part, seeds=seeds, open=tuple(waiting))


def is_waiting(row: Row) -> bool:
    """Say whether the rule wants more seeds of a row."""
    return row.interim is not None and row.interim.outcome == "open" and row.verdict.kind != "changes nothing"


def until_resolved(
    study: Study, gather: Callable[[], Sequence[Record]], train: Callable[[Round], object]
) -> tuple[Table, bool]:
    """Train round after round of a study with a rule; return the table, and whether every row has stopped."""
    last: Round | None = None
    while True:
        table = tabulate(gather(), study)
        following = next_round(study, table)
        # the same again: others train its runs, or they were interrupted too often
        if following is None or following == last:
            return table, not any(is_waiting(row) for row in table.rows)
        train(following)
        last = following
