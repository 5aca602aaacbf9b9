"""What stands between a table and a wrong conclusion: notes on the runs behind it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from studies.headline import reported
from studies.records import Record

SHARED = ("commit", "version", "torch", "world_size", "device", "cpu", "threads", "data")
"""Entries of the manifest that the runs of one comparison should share."""

Cells = Mapping[str, Mapping[int, Record]]
"""Complete runs: row -> seed -> record."""


def coverage(wanted: Mapping[str, int], rows: Cells, states: Mapping[str, Counter[str]]) -> str:
    """Say how many of the wanted seeds stand behind the rows, and what became of the others.

    Args:
        wanted: row -> seeds that it should have by now.
        rows: the complete runs of those seeds.
        states: row -> what the other runs are.

    """
    done, total = sum(len(cells) for cells in rows.values()), sum(wanted.values())
    least, most = min(wanted.values()), max(wanted.values())
    n = f"{least}" if least == most else f"{least} to {most}"
    if done == total:
        every = "in every row" if least == most else "by row"
        return f"n = {n} seed{'s' if most > 1 else ''} {every}, as wanted."
    lacking = sum(states.values(), Counter[str]())
    rest = ", ".join(f"{count} {state}" for state, count in sorted(lacking.items()))
    every = "wanted in every row" if least == most else "wanted by row"
    return f"n = {n} {every}; {done} of {total} runs are complete, {rest}."


def partial(shown: int, family: int) -> list[str]:
    """Say that rows of the study were left out."""
    return [f"{shown} of the study's {family} comparisons are shown; p is adjusted for all."] if shown < family else []


def mixed(records: Sequence[Record]) -> list[str]:
    """Name each manifest entry that runs should share and do not: its values, how many runs have each."""
    notes = []
    for entry in SHARED:
        values = Counter(_over_attempts(record, entry) for record in records)
        if len(values) > 1:
            shown = ", ".join(f"{value} ({count})" for value, count in values.most_common())
            notes.append(f"Runs of mixed {entry}: {shown}.")
    return notes


def split_norm(records: Sequence[Record]) -> list[str]:
    """Say how many samples batch norm saw at once, where mixed world sizes make that differ between runs.

    Without SyncBatchNorm, which torch does not have on the CPU, each rank's batch norm sees its own share of the batch.
    """
    shares = [(ranks, record.run.recipe.batch_size) for record in records if (ranks := _apart(record))]
    if len({ranks for ranks, _ in shares}) < 2:
        return []
    shown = Counter(", then ".join(f"{batch // n} of {batch}" for n in ranks) for ranks, batch in shares)
    samples = ", ".join(f"{text} samples ({count})" for text, count in shown.most_common())
    return [
        f"Any batch norm saw {samples}: without SyncBatchNorm each rank normalises its own share of a batch, so these "
        "runs were not trained alike."
    ]


def _apart(record: Record) -> tuple[int, ...]:
    """Return among how many ranks batch norm's statistics were split, attempt by attempt, as far as recorded."""
    found = []
    for attempt in _attempts(record):
        ranks, device = attempt.get("world_size"), attempt.get("device")
        if isinstance(ranks, int) and device is not None:
            found.append(1 if record.run.recipe.sync_batchnorm and device != "cpu" else ranks)
    return tuple(dict.fromkeys(found))


def trained_with(records: Sequence[Record]) -> list[str]:
    """Say on what and with what the runs were trained, as far as they agree."""
    words = {
        "device": "device {}",
        "cpu": "{} instructions",
        "threads": "{} thread(s) a rank",
        "world_size": "{} rank(s) a run",
        "torch": "torch {}",
        "version": "lightning-bam {}",
        "commit": "commit {}",
    }
    agreed = []
    for entry, text in words.items():
        values = {_over_attempts(record, entry) for record in records} - {"not recorded"}
        if len(values) == 1:
            agreed.append(text.format(next(iter(values))))
    return [f"Trained with {', '.join(agreed)}."] if agreed else []


def _over_attempts(record: Record, entry: str) -> str:
    """Return what a run was trained with; more than one value where it was interrupted and went on with another."""
    return ", then ".join(dict.fromkeys(_shown(attempt.get(entry)) for attempt in _attempts(record)))


def _attempts(record: Record) -> list[dict[str, Any]]:
    return record.manifest.get("attempts") or [record.manifest]


def _shown(value: object) -> str:
    if value is None:
        return "not recorded"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def unpaired(rows: Cells, baseline: str) -> list[str]:
    """Name the rows some of whose seeds the baseline lacks, and which are therefore left out of Δ."""
    notes = []
    for row, cells in rows.items():
        if alone := sorted(set(cells) - set(rows[baseline])):
            seeds = ", ".join(map(str, alone))
            notes.append(f"Δ of {row!r} leaves out seed {seeds}, which the baseline lacks.")
    return notes


def twins(rows: Cells, baseline: str) -> dict[str, str]:
    """Return which rows trained as another did, and as which: same first-epoch loss and final error at shared seeds."""
    found = {}
    order = sorted(rows, key=lambda row: row != baseline)
    for place, row in enumerate(order):
        twin = next((other for other in order[:place] if _same(rows[row], rows[other])), None)
        if twin is not None:
            found[row] = twin
    return found


def unchanged(found: Mapping[str, str]) -> list[str]:
    """Name the rows that have a twin."""
    return [f"Row {r!r} computed exactly what row {t!r} did: the change changed nothing." for r, t in found.items()]


def _same(ours: Mapping[int, Record], theirs: Mapping[int, Record]) -> bool:
    shared = set(ours) & set(theirs)
    return bool(shared) and all(
        None not in _trace(ours[seed]) and _trace(ours[seed]) == _trace(theirs[seed]) for seed in shared
    )


def _trace(record: Record) -> tuple[float | None, float | None]:
    first = record.metrics[0].get("train_loss") if record.metrics else None
    return first, reported(record.run, record.result) if record.result else None
