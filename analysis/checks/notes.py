"""What stands between a table and a wrong conclusion: notes on the runs behind it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from analysis.cells import Cells
from analysis.checks.footnotes import Footnote
from analysis.environment import UNKNOWN, made_with
from studies.records.environment import SHARED, by_attempt
from studies.records.records import Record


def coverage(wanted: Mapping[str, Sequence[int]], rows: Cells, states: Mapping[str, Counter[str]]) -> str:
    """Say how many of the wanted seeds stand behind the rows, which they are, and what became of the others.

    Args:
        wanted: row -> the seeds that it should have by now.
        rows: the complete runs of those seeds.
        states: row -> what the other runs are.

    """
    numbers = [len(seeds) for seeds in wanted.values()]
    done, total = sum(len(cells) for cells in rows.values()), sum(numbers)
    least, most = min(numbers), max(numbers)
    named = ranges(sorted({seed for seeds in wanted.values() for seed in seeds}))
    n = (f"{least}" if least == most else f"{least} to {most}") + f" (seed{'s' if most > 1 else ''} {named})"
    if done == total:
        every = "in every row" if least == most else "by row"
        return f"n = {n} {every}, as wanted."
    lacking = sum(states.values(), Counter[str]())
    rest = ", ".join(f"{count} {state}" for state, count in sorted(lacking.items()))
    every = "wanted in every row" if least == most else "wanted by row"
    return f"n = {n} {every}; {done} of {total} runs are complete, {rest}."


def ranges(numbers: Sequence[int]) -> str:
    """Write rising numbers as `0`, `0 to 4`, or `1 to 3, 7`; two in a row as `1, 2`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)


def other_seeds(left_out: Sequence[int], added: Sequence[int]) -> list[str]:
    """Say that seeds of the study were left out, or added to its own."""
    told = []
    for seeds, what in ((left_out, "of the study {} left out"), (added, "{} added to those of the study")):
        if seeds:
            many = len(seeds) > 1
            told.append(f"seed{'s' * many} {ranges(sorted(seeds))} {what.format('are' if many else 'is')}")
    if not told:
        return []
    text = ", and ".join(told)
    return [f"{text[0].upper()}{text[1:]}: a number of seeds that is chosen for what it shows makes p too small."]


def ruled_elsewhere(ruled_by: Mapping[str, str], shown: Sequence[str]) -> list[str]:
    """Say which rows have runs that another study's stopping rule gave them, study by study.

    Args:
        ruled_by: row -> the other study.
        shown: the rows with complete runs.

    """
    rows: dict[str, list[str]] = {}
    for row in shown:
        if row in ruled_by:
            rows.setdefault(ruled_by[row], []).append(repr(row))
    return [
        f"{', '.join(named)}: how many seeds they have was decided by what they showed, by the stopping rule of study "
        f"{study}; intervals and p here are for a number fixed beforehand, its own table's are for the rule."
        for study, named in rows.items()
    ]


def partial(shown: int, family: int) -> list[str]:
    """Say that rows of the study were left out."""
    return [f"{shown} of the study's {family} comparisons are shown; p is adjusted for all."] if shown < family else []


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


def _apart(circumstances: str, synchronised: bool) -> tuple[int, ...]:
    """Return among how many ranks batch norm's statistics were split, attempt by attempt, as far as recorded."""
    found = []
    for attempt in by_attempt(circumstances):
        ranks, device = attempt.get("world_size"), attempt.get("device")
        if isinstance(ranks, int) and device is not None:
            found.append(1 if synchronised and device != "cpu" else ranks)
    return tuple(dict.fromkeys(found))


def trained_with(records: Sequence[Record], found: Sequence[Footnote]) -> list[str]:
    """Say on what and with what the runs were trained; where they differ, what most have and the marks do not say.

    Args:
        records: the complete runs.
        found: their footnotes.

    """
    words = {
        "device": "device {}",
        "cpu": "{} instructions",
        "threads": "{} thread(s) a rank",
        "world_size": "{} rank(s) a run",
        "torch": "torch {}",
        "torchvision": "torchvision {}",
        "pytorch_lightning": "Lightning {}",
        "version": "lightning-bam {}",
        "commit": "",
    }
    usual = {difference.entry: difference.usual for footnote in found for difference in footnote.differences}
    common = dict(zip(SHARED, made_with(records[0].circumstances), strict=True)) | usual if records else {}
    told: dict[bool, list[str]] = {False: [], True: []}
    for entry, text in words.items():
        value = common.get(entry, UNKNOWN)
        if value != UNKNOWN:
            told[entry in usual].append(_sources(value) if entry == "commit" else text.format(value))
    parts = [", ".join(told[False])] if told[False] else []
    parts += [f"{', '.join(told[True])} where not marked otherwise"] if told[True] else []
    return [f"Trained with {'; '.join(parts)}."] if parts else []


def _sources(commit: str) -> str:
    """Write what `lightning_bam.run_folder.provenance.commit` says of the code."""
    head, _, changed = commit.partition("+")
    if not head:
        return f"sources {changed} (no commit known)"
    return f"commit {commit}" + " with uncommitted changes" * (head != commit)


def device_time(hours: float, known: int, total: int) -> list[str]:
    """Say what the finished runs cost, and what is counted.

    Args:
        hours: what `analysis.environment.device_hours` returned.
        known: for how many runs they are known.
        total: how many are finished.

    """
    if not known:
        return []
    of = "" if known == total else f" of {known} of the {total} finished runs"
    return [
        f"Training took {shown(hours)} device-hours{of}: wall time of all epochs, scoring included, times the ranks; "
        "without start-up, repeated epochs and unfinished runs."
    ]


def shown(hours: float) -> str:
    """Write hours with three digits, as `0.0123`, `4.56`, `789`, `12,300`."""
    if hours <= 0:
        return "0"
    digits = 2 - math.floor(math.log10(hours))
    return f"{round(hours, digits):,.{max(digits, 0)}f}"
