"""What failures did to a table: seeds that Δ leaves out, and figures that took several tries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from analysis.cells import Cells
from analysis.checks.notes import seeds_named
from lightning_bam.run_folder.manifest import failures as causes_of_failures
from studies.records.records import Record

CAUSES: Final = {"nan": "loss not a number", "memory": "out of memory", "interrupted": "machine"}
"""What a failed run's `cause` in its manifest is called; others have no short name."""
TIMES: Final = {1: "once", 2: "twice"}


def failures(records: Sequence[Record], wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Record]]:
    """Return the failed runs: row -> seed -> record, of the wanted seeds."""
    failed = [record for record in records if record.state == "failed" and record.run.seed in wanted[record.row]]
    return {row: {record.run.seed: record for record in failed if record.row == row} for row in wanted}


def unpaired(rows: Cells, home: Mapping[str, str], failed: Cells) -> dict[str, str]:
    """Name, row by row, the seeds that are left out of Δ, and why; `rows` are complete, `home` row -> its baseline."""
    notes = {}
    for row, cells in rows.items():
        baseline = home[row]
        single = set(cells) - set(rows[baseline])
        own = failed.get(row, {}) if row != baseline and set(cells) - single else {}
        others = {seed: record for seed, record in failed.get(baseline, {}).items() if seed in single}
        parts = [
            f"{seeds_named(sorted(runs))}, where {what} failed"
            + _causes(runs[seed].manifest.cause for seed in sorted(runs))
            for what, runs in (("it", own), ("the baseline", others))
            if runs
        ]
        only = ": it compares only the seeds that trained" if parts else ""
        if absent := sorted(single - set(others)):
            parts.append(f"{seeds_named(absent)}, which the baseline lacks")
        if parts:
            notes[row] = f"Δ of {row!r} leaves out {', and '.join(parts)}{only}."
    return notes


def _causes(causes: Iterable[str | None]) -> str:
    names = ", ".join(dict.fromkeys(CAUSES[cause] for cause in causes if cause in CAUSES))
    return f" ({names})" if names else ""


def several_tries(rows: Cells) -> dict[str, str]:
    """Say of each row which of its complete runs had failed before, how often and of what."""
    notes = {}
    for row, cells in rows.items():
        alike: dict[tuple[str, ...], list[int]] = {}
        for seed, record in cells.items():
            if causes := causes_of_failures(record.manifest):
                alike.setdefault(causes, []).append(seed)
        parts = []
        for causes, seeds in alike.items():
            times = TIMES.get(len(causes), f"{len(causes)} times")
            parts.append(f"{seeds_named(seeds)} failed {times}{_causes(causes)}")
        if parts:
            notes[row] = f"{row!r} took several tries: {', '.join(parts)} before the figure came."
    return notes
