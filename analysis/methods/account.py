"""What a paper says of a study's method, and what conferences' checklists ask, as far as the records carry it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from analysis.checks.notes import ranges, ruled_elsewhere, seeds_named, three_digits, trained_with
from analysis.cost.study import total
from analysis.environment import UNKNOWN, device_hours, made_with
from analysis.formats.legend import fixed_facts
from analysis.methods.statistics import Statistics, statistics
from analysis.table.build import Table
from lightning_bam.run_folder.manifest import SHARED
from lightning_bam.user_code.keep import FOLDER
from studies.definition.study import Selection, Study
from studies.records.records import Record

VARIES: Final = (
    "From seed to seed the initial weights{but}, the order of the images, their augmentation and any dropout vary; at "
    "one seed a row and its baseline share them, but for what the row itself adds. The train and the test images are "
    "the same in all runs: intervals speak of other seeds, not of other images."
)
"""What the seed of a run decides, in every study of this harness."""
LAST: Final = "Figures are those of the last epoch: no epoch or checkpoint was selected by test figures."
NONE_FAILED: Final = "No run of the study has failed or is missing, and every complete one is in its figures."
TO_ADD: Final = (
    "the address of the code",
    "the address and licence of the data",
    "what was tried before this study, as the record does not know it",
)
"""What checklists ask and no record has."""


class Answer(NamedTuple):
    """What a checklist asks, and what the records say to it."""

    question: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """A study's method as sentences and as answers; `complete` is whether all of its runs are.

    In the texts `{cite:KEY}` stands for a reference of `analysis.methods.written.REFERENCES`. What `to_add` names the
    records cannot tell.
    """

    study: str
    complete: bool
    sentences: tuple[str, ...]
    checklist: tuple[Answer, ...] = ()
    to_add: tuple[str, ...] = ()


def account(study: Study, records: Sequence[Record], table: Table, declared: str | None) -> Account:
    """Return what a study's records tell of its method.

    `records` are those of the runs that it wants by now, `table` is made of them, `declared` when its stopping rule
    was, where it has one.
    """
    trained = [record for record in records if record.result is not None]
    if not trained:
        states = Counter(record.state for record in records)
        stand = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        nothing = f"No run of study {study.label} is complete ({stand}): there is no method to report yet."
        return Account(study=study.label, complete=False, sentences=(nothing,))
    told, varies = statistics(table, declared), _varies(trained)
    runs, left_out, chosen = _runs(table), _left_out(table), _chosen(study, table)
    compute = [*trained_with(trained, table.footnotes), total(table.costs.spent)]
    answers = (
        ("What was held fixed?", f"{fixed_facts(table.fixed)}."),
        ("How many runs is each figure based on?", runs),
        ("What do the error bars capture?", varies),
        ("How were the error bars made?", " ".join((_spread(table), *told.intervals))),
        ("Which assumptions do they make?", " ".join(told.assumptions)),
        ("What was selected, and on which data?", " ".join([*chosen, LAST])),
        ("Which runs failed or were left out?", " ".join(left_out)),
        ("Which compute did it take?", " ".join([*compute, *_a_run(trained)])),
        ("Which code and data?", _code_and_data(study, trained)),
    )
    return Account(
        study=study.label,
        complete=table.complete,
        sentences=tuple(_sentences(table, told, [runs, varies, *chosen], left_out, compute)),
        checklist=tuple(Answer(question, answer) for question, answer in answers if answer),
        to_add=TO_ADD,
    )


def _sentences(
    table: Table, told: Statistics, runs: Sequence[str], left_out: Sequence[str], compute: Sequence[str]
) -> list[str]:
    slots = " and ".join(table.within)
    baselines = ", ".join(map(repr, table.baselines))
    others = [row.label for row in table.rows if row.label not in table.baselines]
    against = f"the baseline of the same {slots} ({baselines})" if slots else f"the baseline {baselines}"
    named = f"We compare {len(others)} row{'s' * (len(others) != 1)} ({', '.join(map(repr, others))}) with {against}."
    return [
        *([] if table.complete else ["The study is not complete, and what follows holds for its complete runs."]),
        named if others else f"We train {baselines}, with nothing to compare it with.",
        *runs,
        _spread(table),
        *told.intervals,
        *told.assumptions,
        *left_out[: not table.complete],
        *compute,
    ]


def _varies(trained: Sequence[Record]) -> str:
    weights = dict.fromkeys(record.manifest.weights for record in trained if record.manifest.weights)
    return VARIES.format(but=f" (but for the backbone's, which are {' or '.join(weights)})" if weights else "")


def _spread(table: Table) -> str:
    return (
        f"Figures are {table.metric.title} on the test set after the last epoch, by which no epoch or checkpoint was "
        "selected, as mean ± sample standard deviation (n − 1) over the runs of a row."
    )


def _runs(table: Table) -> str:
    """Say how many runs each row has, and of which seeds."""
    seeds = Counter(tuple(sorted(row.errors)) for row in table.rows if row.n)
    if len(seeds) == 1 and all(row.n for row in table.rows):
        (same,) = seeds
        return f"Each row was trained {len(same)} time{'s' * (len(same) != 1)}, with {seeds_named(same)}."
    counts = [f"{row.label!r} {row.n}" + (f" ({ranges(sorted(row.errors))})" if row.n else "") for row in table.rows]
    return f"Complete runs of each row, and their seeds: {', '.join(counts)}."


def _left_out(table: Table) -> list[str]:
    """Say which runs are in no figure, and which differences rest on fewer seeds."""
    states = sum((row.states for row in table.rows), Counter[str]())
    lines = []
    if states:
        done, wanted = sum(row.n for row in table.rows), sum(row.wanted for row in table.rows)
        rest = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        lines.append(f"{done} of {wanted} runs are complete ({rest}).")
    lines += [note for row in table.rows for note in row.notes]
    return lines or [NONE_FAILED]


def _chosen(study: Study, table: Table) -> list[str]:
    """Say what was chosen by which figures, as far as the record knows."""
    lines = []
    if runs := table.costs.spent.search_runs:
        lines = [
            f"The configurations were found by a search of {runs} runs, scored on a part of the train images held out "
            "from it, and trained anew with seeds that it had not used; the test images had no part in that."
        ]
    selection = Selection.of(study)
    lines += ruled_elsewhere(selection.ruled_by, [row.label for row in table.rows if row.n])
    return [*lines, *table.choices]


def _a_run(trained: Sequence[Record]) -> list[str]:
    hours, timed = device_hours(trained)
    if not timed:
        return []
    peak = max((record.manifest.cost.memory or 0 for record in trained), default=0)
    memory = f", and at most {peak / 2**30:.2f} GiB of tensors on a GPU" if peak else ""
    processors = dict.fromkeys(record.manifest.cost.processor for record in trained if record.manifest.cost.processor)
    model = [f"Processor: {', '.join(processors)}."] if processors else []
    return [*model, f"A complete run took {three_digits(hours / timed)} device-hours on average{memory}."]


def _code_and_data(study: Study, trained: Sequence[Record]) -> str:
    """Name the commit and the digests of images and of own code."""
    made = [dict(zip(SHARED, made_with(record), strict=True)) for record in trained]
    lines = []
    for entry, what in (("version", "lightning-bam"), ("commit", "commit"), ("data", "images, as a digest,")):
        found = [text for text in dict.fromkeys(one[entry] for one in made) if text != UNKNOWN]
        lines += [f"{what} {' or '.join(found)}"] if found else []
    own = sorted({record.manifest.code for record in trained if record.manifest.code})
    lines += [f"own code kept under {FOLDER}/ as {', '.join(own)}"] if own else []
    told = f"Trained with {'; '.join(lines)}. " if lines else ""
    return f"{told}The command bam bundle packs the runs of {study.label}, its table, versions and hashes into a file."
