"""How long what is left of a study takes on these devices, by a few steps of each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace

from studies.job.devices import Slot
from studies.records.records import Record
from studies.workers.forkserver import forkserver
from studies.workers.measured_pace import paces
from studies.workers.preflight import preflight

LEFT = ("missing", "interrupted", "pruned")
"""States of runs that `bam run` trains."""


@dataclass(frozen=True)
class Measured:
    """Of rows that have runs left: images/s in training, hours a run; and the hours until all of them are trained.

    A run takes one of the `at_once` slots. What a run has trained before it was interrupted is taken off the sum.
    """

    images_per_s: dict[str, float]
    hours_a_run: dict[str, float]
    hours: float
    at_once: int


def measure(records: Sequence[Record], slots: Sequence[Slot], threads: int) -> Measured | None:
    """Train a few steps of each row that has runs left, and write nothing; None where none has.

    Raises as `preflight` and `paces`.
    """
    left = [record for record in records if record.state in LEFT]
    if not left:
        return None
    context, rows = forkserver(), {record.row: record.run for record in left}
    preflight(context, rows, slots)
    found = paces(context, rows, slots, threads)
    hours = {row: pace.seconds / 3600 for row, pace in found.items()}
    rest = [hours[record.row] * (1 - record.epochs / record.run.recipe.epochs) for record in left]
    return Measured(
        images_per_s={row: pace.images_per_s for row, pace in found.items()},
        hours_a_run=hours,
        hours=until_all_end(rest, len(slots)),
        at_once=len(slots),
    )


def until_all_end(hours: Sequence[float], slots: int) -> float:
    """Return when the last of these runs ends, each begun in this order on the slot that is free first."""
    ends = [0.0] * slots
    for each in hours:
        heapreplace(ends, ends[0] + each)
    return max(ends)
