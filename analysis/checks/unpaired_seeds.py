"""Seeds that Δ leaves out: those at which a row or its baseline has failed, and those that the baseline lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from analysis.cells import Cells
from analysis.checks.notes import ranges
from studies.records.records import Record

CAUSES: Final = {"nan": "loss not a number", "memory": "out of memory", "interrupted": "machine"}
"""What a failed run's `cause` in its manifest is called; others have no short name."""


def failures(records: Sequence[Record], wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Record]]:
    """Return the failed runs: row -> seed -> record, of the wanted seeds."""
    found: dict[str, dict[int, Record]] = {row: {} for row in wanted}
    for record in records:
        if record.state == "failed" and record.run.seed in wanted[record.row]:
            found[record.row][record.run.seed] = record
    return found


def unpaired(rows: Cells, home: Mapping[str, str], failed: Cells) -> dict[str, str]:
    """Name, row by row, the seeds that are left out of Δ, and why.

    Args:
        rows: the complete runs.
        home: row -> its baseline.
        failed: the failed ones; they are told where there is a Δ, as one of surviving seeds alone.

    """
    notes = {}
    for row, cells in rows.items():
        baseline = home[row]
        alone = set(cells) - set(rows[baseline])
        ours = failed.get(row, {}) if row != baseline and set(cells) - alone else {}
        theirs = {seed: record for seed, record in failed.get(baseline, {}).items() if seed in alone}
        left = {
            f"where it failed{_causes(ours)}": sorted(ours),
            f"where the baseline failed{_causes(theirs)}": sorted(theirs),
            "which the baseline lacks": sorted(alone - set(theirs)),
        }
        parts = [f"seed{'s' * (len(seeds) > 1)} {ranges(seeds)}, {why}" for why, seeds in left.items() if seeds]
        only = ": it compares only the seeds that trained" if ours or theirs else ""
        if parts:
            notes[row] = f"Δ of {row!r} leaves out {', and '.join(parts)}{only}."
    return notes


def _causes(failed: Mapping[int, Record]) -> str:
    told = {CAUSES.get(record.manifest.cause or ""): None for _, record in sorted(failed.items())}
    return f" ({', '.join(filter(None, told))})" if any(told) else ""
