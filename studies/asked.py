"""What a study must have before it can ask anything: a name, rows with labels, and seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lightning_bam.config import Run
from studies.error import StudyError
from studies.limits import LONGEST, MOST_SEEDS


def check_names(study: str, rows: Mapping[str, Run]) -> None:
    """Make sure of a study's name and its rows.

    Raises:
        StudyError: a name or label that cannot stand in files and tables, no rows, or a row that is no `Run`.

    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", study) or len(study) > LONGEST:
        raise StudyError(f"study name {_shown(study)}: use letters, digits, '-' and '_', at most {LONGEST}")
    if not rows:
        raise StudyError(f"{study}: rows={dict(rows)}: give a baseline and what is compared with it, label: Run(...)")
    for label, run in rows.items():
        if not isinstance(label, str) or not label.strip() or not label.isprintable() or len(label) > LONGEST:
            raise StudyError(
                f"{study}, row {_shown(label)}: a label is one line of 1 to {LONGEST} printable characters"
            )
        if not isinstance(run, Run):
            raise StudyError(f"{study}, row {label!r}: is {run!r}, must be a Run(...)")


def check_space_name(name: str) -> None:
    """Make sure of a search space's name; behind a "+" stand the preset and what was set.

    Raises:
        StudyError: one that cannot stand in a file's name.

    """
    own = name.partition("+")[0] if isinstance(name, str) else ""
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", own) or len(own) > LONGEST:
        raise StudyError(f"space name {_shown(name)}: use letters, digits, '-' and '_', at most {LONGEST}")


def _shown(word: object) -> str:
    text = str(word)
    return repr(word) if len(text) <= LONGEST else f"{text[:20]!r}... ({len(text)} characters)"


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
