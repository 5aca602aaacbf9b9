"""What the record has under a study's name and the study, as it is asked, has not: seeds, rows, settings, its rule.

Each run's manifest keeps for which study it was begun, as which row, and under which stopping rule: so what leaves a
study after a look at its results is seen as long as the run folders are there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.checks.notes import seeds_named
from studies.definition.study import Selection, Study
from studies.records.purpose import Other, others, purpose
from studies.records.records import Record
from studies.stopping_rules.declaration import seal

SHOWN: Final = 8
"""Rows that are named; the others are counted."""
CHANGED: Final = " with other settings or code: changes"
OFF_RULE: Final = "The stopping rule on file is not the one that runs of this study were begun under: see `bam verify`."


@dataclass(frozen=True, kw_only=True)
class Unlisted:
    """The results that were trained for a study and are not in its table.

    They are of `seeds` or `rows` that it has not, or of rows with `changed` settings; `rule` says that runs were begun
    under another rule than the one on file.
    """

    seeds: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    rule: str = ""

    @property
    def notes(self) -> list[str]:
        """The footnotes of the table."""
        after = "after a look make p too small"
        lines = [self.rule] if self.rule else []
        if self.seeds:
            lines.append(
                f"The record has runs of this study at {seeds_named(self.seeds)}, which it does not ask: seeds dropped "
                f"{after}, fresh ones in place of all of them do not."
            )
        for rows, what in ((self.rows, ", which it has not: rows dropped"), (self.changed, CHANGED)):
            if rows:
                more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
                names = f"row{'s' * (len(rows) > 1)} {', '.join(map(repr, rows[:SHOWN]))}{more}"
                lines.append(f"The record has runs of this study for {names}{what} {after}.")
        return lines


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
        purposes = [*ours, *(other.purpose for other in beside[study.label])]
        answers[study.label] = of_study(study, beside[study.label], seal(root, study.label), purposes)
    return answers


def of_study(
    study: Study, beside: Sequence[Other], rule: Mapping[str, str], purposes: Iterable[Mapping[str, str] | None]
) -> Unlisted:
    """Return what the record has of one study that it has not.

    `beside` was begun for it and is none of its runs, `rule` is the seal of its rule on file, `purposes` its runs'.
    """
    missing, selection = strays(study, beside), Selection.of(study)
    rows, seeds = {*study.rows, *selection.hidden}, {*study.seed_list, *selection.left_out}
    return Unlisted(
        seeds=tuple(sorted({one.run.seed for one in missing if one.row in rows and one.run.seed not in seeds})),
        rows=tuple(sorted({one.row for one in missing if one.row not in rows})),
        changed=tuple(row for row in study.rows if any(one.row == row and one.run.seed in seeds for one in missing)),
        rule=OFF_RULE if off_rule(rule, purposes) else "",
    )


def off_rule(rule: Mapping[str, str], purposes: Iterable[Mapping[str, str] | None]) -> int:
    """Count the runs that were begun under another rule than that of this seal."""
    return sum(one is not None and "rule" in one and one["rule"] != rule.get("rule") for one in purposes)
