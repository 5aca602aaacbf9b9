"""What the record has under a study's name and the study, as it is asked, has not: seeds, rows, settings, its rule.

Each run's manifest keeps for which study it was begun, as which row, and under which stopping rule. So seeds, rows and
settings that leave a study after a look at their results, and a rule that changes, are seen as long as the run folders
are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.checks.notes import ranges
from studies.definition.study import Study
from studies.records.purpose import Other, others, purpose
from studies.records.records import Record
from studies.stopping_rules.declaration import seal

SHOWN: Final = 8
"""Rows that are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Unlisted:
    """What of the results that were trained for a study is not in its table.

    Attributes:
        seeds: that the study does not ask.
        rows: that it has not.
        changed: rows that it has with other settings.
        rule: what is to be said of the rule on file, where runs were begun under another one.

    """

    seeds: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    rule: str = ""

    @property
    def notes(self) -> list[str]:
        """The footnotes of the table."""
        after = "after a look make p too small"
        found = [self.rule] if self.rule else []
        if self.seeds:
            many = "s" * (len(self.seeds) > 1)
            found.append(
                f"The record has runs of this study at seed{many} {ranges(self.seeds)}, which it does not ask: seeds "
                f"dropped {after}, fresh ones in place of all of them do not."
            )
        if self.rows:
            found.append(
                f"The record has runs of this study for {_named(self.rows)}, which it has not: rows dropped {after}."
            )
        if self.changed:
            found.append(
                f"The record has runs of this study for {_named(self.changed)} with other settings: settings changed "
                f"{after}."
            )
        return found


def _named(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(repr, rows[:SHOWN]))}{more}"


def strays(study: Study, found: Iterable[Other]) -> list[Other]:
    """Return the results that were trained for a study and have no place in it, whatever part of it is shown."""
    rows, seeds = {*study.rows, *study.hidden}, {*study.seed_list, *study.left_out}

    def placed(other: Other) -> bool:
        row, run = other.row, other.run
        if row not in rows or run.seed not in seeds:
            return False
        return row in study.hidden or replace(study.rows[row], seed=run.seed).key == run.key

    return [other for other in found if other.ended and not placed(other)]


def unlisted(found: Sequence[tuple[Study, Sequence[Record]]]) -> dict[str, Unlisted]:
    """Return by its label what the record has of each study beside its records.

    Of each row only the first and the last finished run are asked under which rule they were begun: `bam verify` asks
    all.

    Raises:
        FolderError: a stopping rule that cannot be read.

    """
    root = next((record.folder.path.parent for _, records in found for record in records), None)
    if root is None:
        return {}
    beside = others(root, {study.label: {record.run.key for record in records} for study, records in found})
    told = {}
    for study, records in found:
        ends: dict[str, list[Record]] = {}
        for record in records:
            if record.result is not None:
                ends[record.row] = [*ends.get(record.row, [])[:1], record]
        manifests = [record.manifest for runs in ends.values() for record in runs]
        mine = (purpose(manifest, study.label) for manifest in manifests)
        begun = [*mine, *(other.purpose for other in beside[study.label])]
        told[study.label] = of_study(study, beside[study.label], seal(root, study.label), begun)
    return told


def of_study(
    study: Study, beside: Sequence[Other], rule: Mapping[str, str], begun: Iterable[Mapping[str, str] | None]
) -> Unlisted:
    """Return what the record has of one study that it has not.

    Args:
        study: as it is asked.
        beside: what was begun for it and is none of its runs.
        rule: the seal of its rule on file; empty where there is none.
        begun: for what its runs were begun.

    """
    gone = strays(study, beside)
    rows = {*study.rows, *study.hidden}
    asked = {*study.seed_list, *study.left_out}
    said = ""
    if off_rule(rule, begun):
        said = "The stopping rule on file is not the one that runs of this study were begun under: see `bam verify`."
    return Unlisted(
        seeds=tuple(sorted({other.run.seed for other in gone if other.row in rows and other.run.seed not in asked})),
        rows=tuple(sorted({other.row for other in gone if other.row not in rows})),
        changed=tuple(row for row in study.rows if any(o.row == row and o.run.seed in asked for o in gone)),
        rule=said,
    )


def off_rule(rule: Mapping[str, str], begun: Iterable[Mapping[str, str] | None]) -> int:
    """Count the runs that were begun under another rule than that of this seal."""
    return sum(told is not None and "rule" in told and told["rule"] != rule.get("rule") for told in begun)
