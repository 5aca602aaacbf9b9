"""What a study must have before it can ask anything: a name, rows with labels, and seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lightning_bam.config import Run
from studies.error import StudyError

LONGEST: Final = 120
"""Characters of a study's name or a row's label: what a file's name, a plot's key and a table's column can hold."""
MOST_SEEDS: Final = 100_000
"""Seeds that a study can ask for."""


def check_names(study: str, rows: Mapping[str, Run]) -> None:
    """Make sure of a study's name and its rows.

    Raises:
        StudyError: a name or label that cannot stand in files and tables, no rows, or a row that is no `Run`.

    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", study) or len(study) > LONGEST:
        shown = repr(study) if len(study) <= LONGEST else f"{study[:20]!r}... ({len(study)} characters)"
        raise StudyError(f"study name {shown}: use letters, digits, '-' and '_', at most {LONGEST}")
    if not rows:
        raise StudyError(f"{study}: rows={dict(rows)}: give a baseline and what is compared with it, label: Run(...)")
    for label, run in rows.items():
        if not isinstance(label, str) or not label.strip() or not label.isprintable() or len(label) > LONGEST:
            shown = repr(label) if len(str(label)) <= LONGEST else f"{str(label)[:20]!r}... ({len(label)} characters)"
            raise StudyError(f"{study}, row {shown}: a label is one line of 1 to {LONGEST} printable characters")
        if not isinstance(run, Run):
            raise StudyError(f"{study}, row {label!r}: is {run!r}, must be a Run(...)")


def check_seeds(study: str, seeds: int | Sequence[int]) -> None:
    """Make sure of a study's seeds.

    Raises:
        StudyError: none, one twice, or something else than whole numbers from 0 up.

    """
    if type(seeds) is int:
        good = 1 <= seeds <= MOST_SEEDS
    else:
        given = tuple(seeds) if isinstance(seeds, Sequence | range) and not isinstance(seeds, str) else ()
        whole = all(type(seed) is int and seed >= 0 for seed in given)
        good = 0 < len(given) <= MOST_SEEDS and whole and len(set(given)) == len(given)
    if not good:
        raise StudyError(
            f"{study}: seeds={seeds!r}: give a number from 1 to {MOST_SEEDS:,}, or which seeds, each once, from 0 up"
        )
