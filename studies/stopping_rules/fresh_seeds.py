"""Seeds that have shown nothing yet: those for which a stopping rule may still be declared."""

from collections.abc import Sequence
from pathlib import Path

from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record


def first_fresh(study: Study, root: Path, url: str | None = None) -> int:
    """Return the first seed from which on none of a rule's seeds has shown a figure, in whatever study it was trained.

    For a study without a rule, the one that `--until-resolved` declares counts. Other hosts' runs are in PostgreSQL.
    """
    rule, first = study.stopping or Stopping(), min(study.seed_list)
    while True:
        later = study.stopping_by(rule, first)
        begun = begun_rows(later, gather_everywhere(later, root, url, keep=False))
        if not begun:
            return first
        first = max(record.run.seed for record in begun) + 1


def begun_rows(study: Study, records: Sequence[Record]) -> list[Record]:
    """Return the runs that have shown what the study's rule could have been chosen by.

    A run of a row that has trained an epoch has shown a figure. A baseline that other studies have trained shows no
    difference, so that seeds from 0 on are no choice; any other seeds might have been chosen for its figures there.
    """
    return [r for r in records if r.epochs and (r.row not in study.baselines or study.seed_list[0] > 0)]


def refuse_looked(study: Study, records: Sequence[Record], root: Path, url: str | None = None) -> None:
    """Raise a StudyError where a run has shown what the study's rule could have been chosen by."""
    if begun := begun_rows(study, records):
        raise StudyError(
            f"{study.label}: {len(begun)} of its runs had begun before a stopping rule was declared (as "
            f"{begun[0].row!r}, seed {begun[0].run.seed}); a rule made after a look does not hold its level: ask fresh "
            f"seeds with --first-seed {first_fresh(study, root, url)}, or another --root"
        )
