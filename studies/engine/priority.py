"""In which order runs are started: what was begun, then the longest, so that the last ones to end are short."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean, median

from studies.records.records import Record


def longest_first(missing: Sequence[Record], records: Sequence[Record], macs: Mapping[str, int]) -> list[Record]:
    """Return `missing` with the longest expected run first; among runs of about equal length, the order stays.

    Runs that were interrupted go before all others: whose workers are stopped again and again would otherwise begin
    every run of a study before one is complete.

    A run is expected to take what the finished seeds of its row took, else its epochs times its network's MACs at the
    pace of what has finished; less what its checkpoint has done. Two lengths within about a tenth count as equal.

    Args:
        missing: what is to be trained.
        records: every record of the study.
        macs: row -> multiply-accumulates of one image.

    """
    taken: dict[str, list[float]] = defaultdict(list)
    paces = []
    for record in records:
        if record.result is not None:
            taken[record.row].append(record.result.seconds)
            paces.append(record.result.seconds / (record.result.macs * record.result.epochs))
    pace = median(paces) if paces else 1.0

    def expected(record: Record) -> float:
        epochs = record.run.recipe.epochs
        whole = fmean(taken[record.row]) if taken[record.row] else pace * epochs * macs.get(record.row, 1)
        done = record.epochs if record.state == "interrupted" else 0
        return whole * max(epochs - done, 1) / epochs

    def place(record: Record) -> tuple[bool, int]:
        begun = record.state == "interrupted" and record.epochs > 0
        return not begun, -round(log(max(expected(record), 1e-9), 1.1))

    return sorted(missing, key=place)
