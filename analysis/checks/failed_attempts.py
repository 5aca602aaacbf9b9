"""Figures that took several tries: attempts that failed before them, and were made again by `--retry failed`."""

from __future__ import annotations

from typing import Final

from analysis.cells import Cells
from analysis.checks.notes import seeds_named
from analysis.checks.unpaired_seeds import CAUSES
from studies.records.environment import failures

TIMES: Final = {1: "once", 2: "twice"}


def several_tries(rows: Cells) -> dict[str, str]:
    """Say of each row which of its seeds had failed before they gave their figure, how often and of what.

    `rows` are the complete runs. A run that its machine interrupted, and that went on or began anew, has not failed.
    """
    notes = {}
    for row, cells in rows.items():
        alike: dict[tuple[str, ...], list[int]] = {}
        for seed, record in cells.items():
            if causes := failures(record.circumstances):
                alike.setdefault(causes, []).append(seed)
        parts = []
        for causes, seeds in alike.items():
            times = TIMES.get(len(causes), f"{len(causes)} times")
            names = ", ".join(dict.fromkeys(filter(None, map(CAUSES.get, causes))))
            parts.append(f"{seeds_named(seeds)} failed {times}{f' ({names})' if names else ''}")
        if parts:
            notes[row] = f"{row!r} took several tries: {', '.join(parts)} before the figure came."
    return notes
