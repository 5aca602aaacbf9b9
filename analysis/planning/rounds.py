"""Seeds by a stopping rule: look, train what the open rows still need, look again."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from analysis.table.build import Table, tabulate
from analysis.table.model import Row
from studies.definition.study import Study
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Round:
    """The `open` rows that are to be trained before their next look, with their baselines, on its `study`'s seeds."""

    study: Study
    seeds: int
    open: tuple[str, ...]


def next_rounds(study: Study, table: Table, retry: Collection[str] = ()) -> list[Round]:
    """Return what the rule wants next of the whole study; empty where every row has stopped.

    Rows that lag behind come first. One that changes nothing is left out, and one that a failed run has ended unless
    it is to `retry` that run.
    """
    waiting = {row.label: row.interim.due for row in table.rows if row.interim and (is_open(row) or row.label in retry)}
    rounds = []
    for due in sorted(set(waiting.values()), key=lambda due: (len(due), due)):
        part = replace(study, stopping=None, seeds=due)
        rows = tuple(label for label, own in waiting.items() if own == due)
        rounds.append(Round(study=part.only({"row": rows}), seeds=len(due), open=rows))
    return rounds


def is_open(row: Row) -> bool:
    """Say whether the rule wants more seeds of a row."""
    return row.verdict.kind == "open"


def is_ended(row: Row) -> bool:
    """Say whether a failed run has ended the rule for a row."""
    return row.verdict.kind == "ended"


def until_resolved(
    study: Study,
    gather: Callable[[], Sequence[Record]],
    train: Callable[[Round], object],
    *,
    retry: bool = False,
) -> tuple[Table, bool]:
    """Train round after round of a study with a rule; return the table, and whether every row has stopped.

    With `retry` the rows that failed runs have ended before are trained again, once.
    """
    table = tabulate(gather(), study)
    again = {row.label for row in table.rows if retry and is_ended(row)}
    tried: list[tuple[tuple[str, ...], tuple[int, ...]]] = []
    while True:
        rounds = {(tuple(one.study.rows), one.study.seed_list): one for one in next_rounds(study, table, again)}
        fresh = [asked for asked in rounds if asked not in tried]
        if not fresh:  # what was tried is trained by others, or was interrupted too often
            return table, not any(is_open(row) or is_ended(row) for row in table.rows)
        train(rounds[fresh[0]])
        tried.append(fresh[0])
        again -= set(fresh[0][0])
        table = tabulate(gather(), study)
