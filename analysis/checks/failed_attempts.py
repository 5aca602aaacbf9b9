"""Figures that took several tries: attempts that failed before them, and were made again by `--retry failed`."""

from __future__ import annotations

from typing import Final

from analysis.cells import Cells
from analysis.checks.notes import ranges
from analysis.checks.unpaired_seeds import CAUSES
from studies.records.environment import failures

TIMES: Final = {1: "once", 2: "twice"}


def several_tries(rows: Cells) -> dict[str, str]:
    """Say of each row which of its seeds had failed before they gave their figure, how often and of what.

    A run that its machine interrupted, and that went on or began anew, has not failed.

    Args:
        rows: the complete runs.

    """
    notes = {}
    for row, cells in rows.items():
        alike: dict[tuple[str, ...], list[int]] = {}
        for seed, record in cells.items():
            if failed := failures(record.circumstances):
                alike.setdefault(failed, []).append(seed)
        told = [
            f"seed{'s' * (len(seeds) > 1)} {ranges(seeds)} failed {_often(failed)}" for failed, seeds in alike.items()
        ]
        if told:
            notes[row] = f"{row!r} took several tries: {', '.join(told)} before the figure came."
    return notes


def _often(causes: tuple[str, ...]) -> str:
    known = dict.fromkeys(filter(None, map(CAUSES.get, causes)))
    times = TIMES.get(len(causes), f"{len(causes)} times")
    return f"{times} ({', '.join(known)})" if known else times
