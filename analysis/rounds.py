"""Seeds by a stopping rule: look, train what the open rows still need, look again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from analysis.table import Table, tabulate
from studies.records import Record
from studies.study import Study


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is to be trained before the next look.

    Attributes:
        study: the open rows and their baselines, on the seeds of that look; never more than the rule allows.
        seeds: how many seeds each of them has then.
        open: the rows that are not resolved yet.

    """

    study: Study
    seeds: int
    open: tuple[str, ...]


def next_round(study: Study, table: Table) -> Round | None:
    """Return what the rule asks for next, or None where every row has stopped.

    Rows that wait for different looks (some of their runs were lost) catch up first.

    Args:
        study: the whole study, with its rule.
        table: what has been found so far.

    """
    standing = {row.label: row.interim for row in table.rows if row.interim is not None}
    waiting = {label: found.wanted for label, found in standing.items() if found.outcome == "open"}
    if not waiting:
        return None
    seeds = min(waiting.values())
    rows = tuple(label for label, wanted in waiting.items() if wanted == seeds)
    part = replace(study, stopping=None, seeds=study.seed_list[:seeds]).only({"row": rows})
    return Round(study=part, seeds=seeds, open=tuple(waiting))


def until_resolved(
    study: Study, gather: Callable[[], Sequence[Record]], train: Callable[[Round], bool]
) -> tuple[Table, bool]:
    """Train round after round until every row has stopped; return the table, and whether it came to that.

    Args:
        study: the whole study, with its rule declared.
        gather: reads what there is of it.
        train: trains one round; False where some run of it did not come to a result, which ends the rounds.

    """
    while True:
        table = tabulate(gather(), study)
        asked = next_round(study, table)
        if asked is None:
            return table, True
        if not train(asked):
            return tabulate(gather(), study), False
