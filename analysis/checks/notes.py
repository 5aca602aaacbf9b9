"""What stands between a table and a wrong conclusion: notes on the runs behind it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from analysis.cells import Cells
from analysis.checks.footnotes import Footnote
from analysis.environment import UNKNOWN, device_hours, made_with
from lightning_bam.run_folder.manifest import SHARED
from studies.definition.study import Selection
from studies.records.purpose import margin_text
from studies.records.records import Record

WIDE: Final = "a margin chosen after a look can be made wide enough for any row."


def coverage(wanted: Mapping[str, Sequence[int]], rows: Cells, states: Mapping[str, Counter[str]]) -> str:
    """Say how many of the `wanted` seeds are in the complete `rows`, and the `states` of the others."""
    numbers = [len(seeds) for seeds in wanted.values()]
    least, most = min(numbers), max(numbers)
    done, total = sum(len(cells) for cells in rows.values()), sum(numbers)
    named = ranges(sorted({seed for seeds in wanted.values() for seed in seeds}))
    n = f"{least}{f' to {most}' * (most > least)} (seed{'s' * (most > 1)} {named})"
    every = "in every row" if least == most else "by row"
    if done == total:
        return f"n = {n} {every}."
    rest = ", ".join(f"{count} {state}" for state, count in sorted(sum(states.values(), Counter[str]()).items()))
    return f"n = {n} wanted {every}; {done} of {total} runs are complete, {rest}."


def ranges(numbers: Sequence[int]) -> str:
    """Write rising numbers as `0`, `0 to 4`, or `1 to 3, 7`; two in a row as `1, 2`."""
    parts = []
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        first, *others = [number for _, number in run]
        parts.append(f"{first} to {others[-1]}" if len(others) > 1 else ", ".join(map(str, [first, *others])))
    return ", ".join(parts)


def seeds_named(seeds: Sequence[int]) -> str:
    """Write `seed 3`, or `seeds 0 to 4`."""
    return f"seed{'s' * (len(seeds) > 1)} {ranges(seeds)}"


def other_seeds(left_out: Sequence[int], added: Sequence[int]) -> list[str]:
    """Say that seeds of the study were left out, or added to its own."""
    parts = [
        f"{seeds_named(sorted(seeds))} {what.format('are' if len(seeds) > 1 else 'is')}"
        for seeds, what in ((left_out, "of the study {} left out"), (added, "{} added to those of the study"))
        if seeds
    ]
    if not parts:
        return []
    text = ", and ".join(parts)
    return [f"{text[0].upper()}{text[1:]}: a number of seeds that is chosen for what it shows makes p too small."]


def asked(selection: Selection) -> list[str]:
    """Say that the margin or seeds are the call's and not the study's, nor declared with its rule."""
    margin, own = selection.margin, selection.study.margin
    lines = other_seeds(selection.left_out, selection.added)
    if selection.stopping is not None or margin in (None, own):
        return lines
    study = "not in the study" if own is None else f"and the study names {margin_text(own)}"
    return [f"Margin {margin_text(margin)} was given on the command line, {study}: {WIDE}", *lines]


def ruled_elsewhere(ruled_by: Mapping[str, str], rows: Sequence[str]) -> list[str]:
    """Say which rows have runs that another study's stopping rule (`ruled_by`) gave them, study by study."""
    return [
        f"{', '.join(repr(row) for row in rows if ruled_by.get(row) == study)}: how many seeds they have was decided "
        f"by what they showed, by the stopping rule of study {study}; intervals and p here are for a number fixed "
        "beforehand, its own table's are for the rule."
        for study in dict.fromkeys(ruled_by[row] for row in rows if row in ruled_by)
    ]


def partial(shown: int, family: int) -> list[str]:
    """Say that rows of the study were left out."""
    if shown >= family:
        return []
    return [
        f"{shown} of the study's {family} comparisons {'is' if shown == 1 else 'are'} shown; p is adjusted for all."
    ]


def so_far(rows: Sequence[str]) -> list[str]:
    """Say that verdicts of the moment, which these rows have, err more often than their level says."""
    if not rows:
        return []
    return [
        f"{', '.join(map(repr, rows))}: so far. Of studies in which no row differs, 13 to 15 % show one that does at "
        "some time, if looked at anew with each seed from 2 to 5 (to 10: 20 %), not 5 %: wait for all seeds."
    ]


def another_baseline(baseline: str, declared: str, pairs: int) -> list[str]:
    """Say that rows are compared with another row than the `declared` baseline, and what is taken off for that."""
    if not declared:
        return []
    return [
        f"Compared with {baseline!r}, not with the declared baseline {declared!r}: a row named after a look may be any "
        f"row, so intervals and p are adjusted for all {pairs} pairs of rows."
    ]


def split_norm(records: Sequence[Record]) -> list[str]:
    """Say how many samples batch norm saw, where world sizes without SyncBatchNorm make it differ."""
    split: Counter[tuple[tuple[int, ...], int]] = Counter()
    for record in records:
        recipe = record.run.recipe
        made = [(a.world_size, a.device) for a in record.manifest.effective]
        alone = [
            ranks if device == "cpu" or not recipe.sync_batchnorm else 1
            for ranks, device in made
            if ranks and device is not None
        ]
        if alone:
            split[tuple(dict.fromkeys(alone)), recipe.batch_size] += 1
    if len({ranks for ranks, _ in split}) < 2:
        return []
    shares: Counter[str] = Counter()
    for (ranks, batch), count in split.items():
        shares[", then ".join(f"{batch // n} of {batch}" for n in ranks)] += count
    samples = ", ".join(f"{share} samples ({count})" for share, count in shares.most_common())
    return [
        f"Any batch norm saw {samples}: without SyncBatchNorm each rank normalises its own share of a batch, so these "
        "runs were not trained alike."
    ]


def trained_with(records: Sequence[Record], footnotes: Sequence[Footnote]) -> list[str]:
    """Say on what and with what complete runs were trained; where they differ, what most have and no mark says."""
    words = {
        "device": "device {}",
        "cpu": "{} instructions",
        "threads": "{} thread(s) a rank",
        "world_size": "{} rank(s) a run",
        "torch": "torch {}",
        "torchvision": "torchvision {}",
        "timm": "timm {}",
        "pytorch_lightning": "Lightning {}",
        "version": "lightning-bam {}",
        "commit": "{}",
    }
    usual = {difference.entry: difference.usual for footnote in footnotes for difference in footnote.differences}
    columns = zip(SHARED, zip(*map(made_with, records), strict=True), strict=True) if records else ()
    common = {entry: next((one for one in made if one != UNKNOWN), UNKNOWN) for entry, made in columns} | usual
    alike: list[str] = []
    marked: list[str] = []
    for entry, text in words.items():
        value = common.get(entry, UNKNOWN)
        if value != UNKNOWN:
            shown = text.format(_sources(value) if entry == "commit" else value)
            (marked if entry in usual else alike).append(shown)
    parts = [", ".join(alike)] if alike else []
    parts += [f"{', '.join(marked)} where not marked otherwise"] if marked else []
    return [f"Trained with {'; '.join(parts)}."] if parts else []


def _sources(commit: str) -> str:
    """Write what `lightning_bam.run_folder.provenance.commit` says of the code."""
    head, _, changed = commit.partition("+")
    if not head:
        return f"sources {changed} (no commit known)"
    return f"commit {commit}" + " with uncommitted changes" * (head != commit)


def device_time(finished: Sequence[Record]) -> list[str]:
    """Say what the finished runs cost, and what is counted."""
    hours, timed = device_hours(finished)
    if not timed:
        return []
    runs = "" if timed == len(finished) else f" of {timed} of the {len(finished)} finished runs"
    return [
        f"Training took {three_digits(hours)} device-hours{runs}: wall time of all epochs, scoring included, times the "
        "devices (of a shared one its share); without start-up, repeated epochs and unfinished runs."
    ]


def three_digits(hours: float) -> str:
    """Write hours with three digits, as `0.0123`, `4.56`, `789`, `12,300`."""
    if hours <= 0:
        return "0"
    digits = 2 - math.floor(math.log10(hours))
    return f"{round(hours, digits):,.{max(digits, 0)}f}"
