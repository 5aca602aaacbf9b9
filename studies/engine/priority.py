"""In which order runs are started: what was begun, then the longest, so that the last ones to end are short."""

from collections.abc import Mapping, Sequence
from math import log

from studies.records.records import Record


def longest_first(missing: Sequence[Record], macs: Mapping[str, int]) -> list[Record]:
    """Return `missing` with the most work first, by epochs and `macs` of a row; among about equal ones the order stays.

    Runs that were interrupted go before all others: whose workers are stopped again and again would otherwise begin
    every run of a study before one is complete. Two lengths within about a tenth count as equal.
    """

    def place(record: Record) -> tuple[bool, int]:
        begun = record.state == "interrupted" and record.epochs > 0
        epochs = max(record.run.recipe.epochs - (record.epochs if begun else 0), 1)
        return not begun, -round(log(epochs * max(macs.get(record.row, 1), 1), 1.1))

    return sorted(missing, key=place)
