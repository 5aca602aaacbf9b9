"""What failures did to a table: seeds that Δ leaves out, and figures that took several tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from analysis.cells import Cells
from analysis.checks.notes import seeds_named
from studies.records import environment
from studies.records.records import Record

CAUSES: Final = {"nan": "loss not a number", "memory": "out of memory", "interrupted": "machine"}
"""What a failed run's `cause` in its manifest is called; others have no short name."""
TIMES: Final = {1: "once", 2: "twice"}


def failures(records: Sequence[Record], wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Record]]:
    """Return the failed runs: row -> seed -> record, of the wanted seeds."""
    failed: dict[str, dict[int, Record]] = {row: {} for row in wanted}
    for record in records:
        if record.state == "failed" and record.run.seed in wanted[record.row]:
            failed[record.row][record.run.seed] = record
    return failed


def unpaired(rows: Cells, home: Mapping[str, str], failed: Cells) -> dict[str, str]:
    """Name, row by row, the seeds that are left out of Δ, and why.

    `rows` are the complete runs, `home` is row -> its baseline. Failed runs are named where there is a Δ, as one of
    surviving seeds alone.
    """
    notes = {}
    for row, cells in rows.items():
        baseline = home[row]
        alone = set(cells) - set(rows[baseline])
        ours = failed.get(row, {}) if row != baseline and set(cells) - alone else {}
        theirs = {seed: record for seed, record in failed.get(baseline, {}).items() if seed in alone}
        reasons = {
            f"where it failed{_causes(ours)}": sorted(ours),
            f"where the baseline failed{_causes(theirs)}": sorted(theirs),
            "which the baseline lacks": sorted(alone - set(theirs)),
        }
        parts = [f"{seeds_named(seeds)}, {why}" for why, seeds in reasons.items() if seeds]
        only = ": it compares only the seeds that trained" if ours or theirs else ""
        if parts:
            notes[row] = f"Δ of {row!r} leaves out {', and '.join(parts)}{only}."
    return notes


def _causes(failed: Mapping[int, Record]) -> str:
    causes = dict.fromkeys(CAUSES.get(failed[seed].manifest.get("cause") or "") for seed in sorted(failed))
    return f" ({', '.join(filter(None, causes))})" if any(causes) else ""


def several_tries(rows: Cells) -> dict[str, str]:
    """Say of each row which of its seeds had failed before they gave their figure, how often and of what.

    `rows` are the complete runs. A run that its machine interrupted, and that went on or began anew, has not failed.
    """
    notes = {}
    for row, cells in rows.items():
        alike: dict[tuple[str, ...], list[int]] = {}
        for seed, record in cells.items():
            if causes := environment.failures(record.circumstances):
                alike.setdefault(causes, []).append(seed)
        parts = []
        for causes, seeds in alike.items():
            times = TIMES.get(len(causes), f"{len(causes)} times")
            names = ", ".join(dict.fromkeys(filter(None, map(CAUSES.get, causes))))
            parts.append(f"{seeds_named(seeds)} failed {times}{f' ({names})' if names else ''}")
        if parts:
            notes[row] = f"{row!r} took several tries: {', '.join(parts)} before the figure came."
    return notes
