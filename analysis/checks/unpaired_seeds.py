"""What failures did to a table: seeds that Δ leaves out, and figures that took several tries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from analysis.cells import Cells
from analysis.checks.notes import seeds_named
from lightning_bam.run_folder.manifest import failures as causes_of_failures
from studies.records.records import Record

CAUSES: Final = {"nan": "loss not a number", "memory": "out of memory", "interrupted": "machine"}
"""What a failed run's `cause` in its manifest is called; others have no short name."""
TIMES: Final = {1: "once", 2: "twice"}


class Look(Protocol):
    """The seeds of a row by a stopping rule: see `analysis.table.interim.Interim`."""

    @property
    def looked(self) -> tuple[int, ...]:
        """The seeds of its last look."""

    @property
    def due(self) -> tuple[int, ...]:
        """Those that it should have by now."""

    @property
    def passed(self) -> tuple[int, ...]:
        """Those that failed, with a spare one in their place."""


def failed_runs(records: Sequence[Record]) -> dict[str, dict[int, Record]]:
    """Return the failed runs: row -> seed -> record."""
    rows: dict[str, dict[int, Record]] = {}
    for record in records:
        if record.state == "failed":
            rows.setdefault(record.row, {})[record.run.seed] = record
    return rows


def unpaired(
    rows: Cells, home: Mapping[str, str], failed: Cells, looks: Mapping[str, Look] | None = None
) -> dict[str, str]:
    """Name, row by row, the seeds that are left out of Δ, and why; `rows` are complete, `home` row -> its baseline.

    By a stopping rule Δ has the seeds of the row's last look (`looks`): until there is one, nothing is left out.
    """
    notes = {}
    for row, cells in rows.items():
        baseline, look = home[row], (looks or {}).get(row)
        if row == baseline or (look is not None and not look.looked):
            continue
        single = set(cells) - set(rows[baseline])
        passed = set(look.passed) if look else set()
        asked = {*look.due, *passed} if look else set(failed.get(row, ()))
        own = {seed: record for seed, record in failed.get(row, {}).items() if seed in asked and set(cells) - single}
        others = {seed: record for seed, record in failed.get(baseline, {}).items() if seed in single | passed}
        parts = [
            f"{seeds_named(sorted(runs))}, where {what} failed"
            + _causes(runs[seed].manifest.cause for seed in sorted(runs))
            for what, runs in (("it", own), ("the baseline", others))
            if runs
        ]
        if retried := sorted(passed - set(own) - set(others)):
            parts.append(f"{seeds_named(retried)}, where a first attempt failed")
        only = ": it compares only the seeds that trained" if parts and look is None else ""
        if passed:
            spare = "spare seeds take" if len(passed) > 1 else "a spare seed takes"
            only = f": {spare} the place of {seeds_named(sorted(passed))}"
        if absent := sorted(single - set(others)):
            parts.append(f"{seeds_named(absent)}, which the baseline lacks")
        if later := sorted(set(cells) - single - set(look.looked)) if look else []:
            parts.append(f"{seeds_named(later)}, which come{'s' * (len(later) == 1)} after its last look")
        if parts:
            notes[row] = f"Δ of {row!r} leaves out {', and '.join(parts)}{only}."
    return notes


def overturned(claims: Mapping[str, str]) -> dict[str, str]:
    """Say of each row what it is not called because failures alone could overturn it: `different` or `equivalent`."""
    texts = {
        "different": "had each failed one come out as far on the other side of 0 as the largest Δ",
        "equivalent": "had each failed one come out as far outside the margin as the farthest of the others inside",
        "": "",
    }
    return {
        row: f"{row!r} is {claim} on the seeds that trained, but failures alone could overturn that: {texts[claim]}, p "
        "would be too large."
        for row, claim in claims.items()
        if claim
    }


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
