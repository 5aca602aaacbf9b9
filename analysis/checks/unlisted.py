"""What the record has under a study's name and the study, as it is asked, has not: seeds, rows, settings, its rule; and
what else in it was chosen when results were there: its margin, its metric, another rule for the same rows.

Each run's manifest keeps for which study it was begun, as which row, by which metric and margin, and under which
stopping rule: so what leaves a study after a look at its results is seen as long as the run folders are there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from analysis.checks.notes import WIDE, seeds_named
from lightning_bam.config import flatten
from studies.definition.stopping import Stopping
from studies.definition.study import Selection, Study
from studies.records.purpose import Other, judged_by, margin_text, others, purpose
from studies.records.records import Record
from studies.records.removal import removed
from studies.stopping_rules.declaration import Attempt, other_attempts, seal

SHOWN: Final = 8
"""Rows that are named; the others are counted."""
SMALL: Final = "after a look make p too small"
OFF_RULE: Final = "The stopping rule on file is not the one that runs of this study were begun under: see `bam verify`."


@dataclass(frozen=True, kw_only=True)
class Unlisted:
    """The results that were trained for a study and are not in its table, and other attempts at its rows.

    They are of `seeds` or `rows` that it has not, or of rows with `changed` settings. Of these rows those with results
    at seeds of the study are `compared`: p and intervals are for them, too, unless a rule says for how many; `knobs`
    are their flat settings by row. `rule` says that runs were begun under another rule than the one on file, `newer`
    what else is newer than runs.
    """

    seeds: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    level: float = Stopping().level
    rule: str = ""
    newer: tuple[str, ...] = ()

    def notes(self, comparisons: int, without: int) -> list[str]:
        """Return the footnotes of a table adjusted for so many comparisons, `without` its dropped rows for fewer."""
        lines = [self.rule] if self.rule else []
        if self.seeds:
            lines.append(
                f"The record has runs of this study at {seeds_named(self.seeds)}, which it does not ask: seeds dropped "
                f"{SMALL}, fresh ones in place of all of them do not."
            )
        if self.compared:
            lines.append(
                f"The record has results of this study for {_named(self.compared)}, which it has not: p and intervals "
                f"are for {comparisons} comparisons, not {without}, so that dropping rows "
                "after a look resolves none."
            )
        if rest := [row for row in self.rows if row not in self.compared]:
            lines.append(
                f"The record has runs of this study for {_named(rest)}, which it has not, and no result at the study's "
                f"seeds: p is not adjusted for {'them' if len(rest) > 1 else 'it'}."
            )
        if self.changed:
            lines.append(
                f"The record has runs of this study for {_named(self.changed)} with other settings or code: changes "
                f"{SMALL}."
            )
        return [*lines, *self.newer, *self._attempts()]

    def _attempts(self) -> list[str]:
        """Say which rows other rules judge, too, and how often any of the attempts errs if they are independent."""
        if not self.attempts:
            return []
        rows = dict.fromkeys(row for attempt in self.attempts for row in attempt.rows)
        rules = [f"{attempt.study!r} (declared {attempt.declared[:10]})" for attempt in self.attempts]
        several = "ies" if len(rules) > 1 else "y"
        err = 1 - (1 - self.level) * math.prod(1 - attempt.level for attempt in self.attempts)
        return [
            f"{_named(list(rows), 'R')} {'are' if len(rows) > 1 else 'is'} also judged by the stopping rule of stud"
            f"{several} {' and '.join(rules)}: {len(rules) + 1} attempts together err in up to {100 * err:.0f} %, not "
            f"{100 * self.level:g} %."
        ]


def _named(rows: Sequence[str], r: str = "r") -> str:
    """Write `row 'a'` or `rows 'a', 'b'`, of many the first, from the letter `r` on."""
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{r}ow{'s' * (len(rows) > 1)} {', '.join(map(repr, rows[:SHOWN]))}{more}"


NOTHING: Final = Unlisted()


def strays(study: Study, others: Iterable[Other]) -> list[Other]:
    """Return the results that were trained for a study and have no place in it, whatever part of it is shown."""
    selection = Selection.of(study)
    rows, seeds = {*study.rows, *selection.hidden}, {*study.seed_list, *selection.left_out}

    def placed(other: Other) -> bool:
        row, run = other.row, other.run
        if row not in rows or run.seed not in seeds:
            return False
        return row in selection.hidden or replace(study.rows[row], seed=run.seed).key == run.key

    return [other for other in others if other.ended and not placed(other)]


def unlisted(studies: Sequence[tuple[Study, Sequence[Record]]]) -> dict[str, Unlisted]:
    """Return by its label what the record has of each study beside its records; FolderError for an unreadable rule.

    Of each row the first and the last finished run are asked for their rule: `bam verify` asks all.
    """
    root = next((record.folder.path.parent for _, records in studies for record in records), None)
    if root is None:
        return {}
    beside = others(root, {study.label: {record.run.key for record in records} for study, records in studies})
    answers = {}
    for study, records in studies:
        complete = [record for record in records if record.result is not None]
        ends = [{record.row: record for record in part} for part in (reversed(complete), complete)]
        ours = (purpose(record.manifest, study.label) for rows in ends for record in rows.values())
        answers[study.label] = of_study(study, root, beside[study.label], ours)
    return answers


def of_study(study: Study, root: Path, beside: Sequence[Other], ours: Iterable[Mapping[str, str] | None]) -> Unlisted:
    """Return what the record under `root` has of one study that it has not.

    `beside` was begun for it and is none of its runs, `ours` are the purposes of its runs.
    """
    missing, selection = strays(study, beside), Selection.of(study)
    rows, seeds = {*study.rows, *selection.hidden}, {*study.seed_list, *selection.left_out}
    dropped = [one for one in missing if one.row not in rows]
    compared = [one for one in dropped if one.complete and one.run.seed in seeds and study.stopping is None]
    purposes = [one for one in (*ours, *(other.purpose for other in beside)) if one is not None]
    return Unlisted(
        seeds=tuple(sorted({one.run.seed for one in missing if one.row in rows and one.run.seed not in seeds})),
        rows=tuple(sorted({one.row for one in dropped})),
        compared=tuple(sorted({one.row for one in compared})),
        knobs={one.row: flatten(one.run) for one in compared},
        changed=tuple(row for row in study.rows if any(one.row == row and one.run.seed in seeds for one in missing)),
        attempts=tuple(other_attempts(study, root)),
        level=(study.stopping or Stopping()).level,
        rule=OFF_RULE if off_rule(seal(root, study.label), purposes) else "",
        newer=(*newer(study, purposes), *removals(study, root)),
    )


def removals(study: Study, root: Path) -> list[str]:
    """Say that results of a study were removed, unless they were trained again."""
    runs = [run for run in removed(root, study.label) if run["state"] in ("complete", "failed")]
    if not runs:
        return []
    rows = _named(list(dict.fromkeys(run["row"] for run in runs)))
    results = f"{len(runs)} result{'s' * (len(runs) != 1)}"
    return [f"`bam rm` has removed {results} of this study ({rows}): results dropped {SMALL}."]


def with_dropped(study: Study, beside: Unlisted) -> Study:
    """Return the study with those of its former rows counted as comparisons that the record has results of."""
    return replace(Selection.of(study), dropped=beside.compared) if beside.compared else study


def off_rule(rule: Mapping[str, str], purposes: Iterable[Mapping[str, str]]) -> int:
    """Count the runs that were begun under another rule than that of this seal."""
    return sum("rule" in one and one["rule"] != rule.get("rule") for one in purposes)


def newer(study: Study, purposes: Sequence[Mapping[str, str]]) -> list[str]:
    """Say that the metric of a study, or its own margin, is not the one that runs were begun by; a rule seals both.

    A margin of the call alone is another note's.
    """
    if study.stopping is not None:
        return []
    own = judged_by(Selection.of(study).study)
    before = {name: sorted({one[name] for one in purposes if name in one} - {own[name]}) for name in own}
    lines = []
    if metrics := before["metric"]:
        lines.append(
            f"The study compares {own['metric']}, and runs of it were begun when it compared {' or '.join(metrics)}: a "
            "metric chosen after a look makes p too small."
        )
    if (margins := before["margin"]) and own["margin"] != margin_text(None):
        lines.append(
            f"Margin {own['margin']} is newer than runs of this study, which were begun with {' or '.join(margins)}: "
            f"{WIDE}"
        )
    return lines
