"""What stands between a table and a wrong conclusion: notes on the runs behind it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from studies.circumstances import SHARED, attempts
from studies.headline import reported
from studies.records import Record

Trace = tuple[float | None, float | None]
"""What tells one training from another: the first epoch's training loss, and the reported figure in percent."""

Cells = Mapping[str, Mapping[int, Record]]
"""Complete runs: row -> seed -> record."""


def coverage(wanted: int, rows: Cells, states: Mapping[str, Counter[str]]) -> str:
    """Say how many of the wanted seeds stand behind the rows, and what became of the others."""
    done = sum(len(cells) for cells in rows.values())
    total = wanted * len(rows)
    if done == total:
        return f"n = {wanted} seed{'s' if wanted > 1 else ''} in every row, as wanted."
    lacking = sum(states.values(), Counter[str]())
    rest = ", ".join(f"{count} {state}" for state, count in sorted(lacking.items()))
    return f"n = {wanted} wanted in every row; {done} of {total} runs are complete, {rest}."


def partial(shown: int, family: int) -> list[str]:
    """Say that rows of the study were left out."""
    return [f"{shown} of the study's {family} comparisons are shown; p is adjusted for all."] if shown < family else []


def mixed(records: Sequence[Record]) -> list[str]:
    """Name each manifest entry that runs should share and do not: its values, how many runs have each."""
    notes = []
    alike = Counter(record.circumstances for record in records)
    for entry in SHARED:
        values: Counter[str] = Counter()
        for told, count in alike.items():
            values[_over_attempts(told, entry)] += count
        if len(values) > 1:
            shown = ", ".join(f"{value} ({count})" for value, count in values.most_common())
            notes.append(f"Runs of mixed {entry}: {shown}.")
    return notes


def split_norm(records: Sequence[Record]) -> list[str]:
    """Say how many samples batch norm saw at once, where mixed world sizes make that differ between runs.

    Without SyncBatchNorm, which torch does not have on the CPU, each rank's batch norm sees its own share of the batch.
    """
    alike = Counter((r.circumstances, r.run.recipe.sync_batchnorm, r.run.recipe.batch_size) for r in records)
    shares = [(ranks, batch, n) for (told, sync, batch), n in alike.items() if (ranks := _apart(told, sync))]
    if len({ranks for ranks, _, _ in shares}) < 2:
        return []
    shown: Counter[str] = Counter()
    for ranks, batch, count in shares:
        shown[", then ".join(f"{batch // n} of {batch}" for n in ranks)] += count
    samples = ", ".join(f"{text} samples ({count})" for text, count in shown.most_common())
    return [
        f"Any batch norm saw {samples}: without SyncBatchNorm each rank normalises its own share of a batch, so these "
        "runs were not trained alike."
    ]


def _apart(told: str, synchronised: bool) -> tuple[int, ...]:
    """Return among how many ranks batch norm's statistics were split, attempt by attempt, as far as recorded."""
    found = []
    for attempt in attempts(told):
        ranks, device = attempt.get("world_size"), attempt.get("device")
        if isinstance(ranks, int) and device is not None:
            found.append(1 if synchronised and device != "cpu" else ranks)
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
    alike = {record.circumstances for record in records}
    agreed = []
    for entry, text in words.items():
        values = {_over_attempts(told, entry) for told in alike} - {"not recorded"}
        if len(values) == 1:
            agreed.append(text.format(next(iter(values))))
    return [f"Trained with {', '.join(agreed)}."] if agreed else []


def _over_attempts(told: str, entry: str) -> str:
    """Return what a run was trained with; more than one value where it was interrupted and went on with another."""
    return ", then ".join(dict.fromkeys(_shown(attempt.get(entry)) for attempt in attempts(told)))


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
    found: dict[str, str] = {}
    traces = {row: {seed: _trace(record) for seed, record in cells.items()} for row, cells in rows.items()}
    order = sorted(rows, key=lambda row: row != baseline)
    owners: dict[tuple[int, Trace], list[int]] = {}  # a twin has some trace in common, so that few are compared
    for place, row in enumerate(order):
        likely = {other for item in traces[row].items() for other in owners.get(item, ())}
        twin = next((order[other] for other in sorted(likely) if _same(traces[row], traces[order[other]])), None)
        if twin is not None:
            found[row] = twin
        for item in traces[row].items():
            owners.setdefault(item, []).append(place)
    return found


def unchanged(found: Mapping[str, str]) -> list[str]:
    """Name the rows that have a twin."""
    return [f"Row {r!r} computed exactly what row {t!r} did: the change changed nothing." for r, t in found.items()]


def _same(ours: Mapping[int, Trace], theirs: Mapping[int, Trace]) -> bool:
    shared = set(ours) & set(theirs)
    return bool(shared) and all(None not in ours[seed] and ours[seed] == theirs[seed] for seed in shared)


def _trace(record: Record) -> Trace:
    return record.first_loss, reported(record.run, record.result) if record.result else None
