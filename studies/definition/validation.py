"""What a study must have before it can ask anything: a name, rows with labels, and seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from lightning_bam.config import Run
from lightning_bam.json_text import short
from studies.definition.limits import LAST_SEED, LONGEST, MOST_SEEDS
from studies.definition.stopping import Stopping
from studies.errors import StudyError
from studies.paper.published import Published

if TYPE_CHECKING:
    from studies.definition.study import Study


def check_names(study: str, rows: Mapping[str, Run]) -> None:
    """Make sure of a study's name and its rows.

    Raises:
        StudyError: a name or label that cannot stand in files and tables, no rows, or a row that is no `Run`.

    """
    if not isinstance(study, str) or not re.fullmatch(r"[A-Za-z0-9][\w-]*", study) or len(study) > LONGEST:
        raise StudyError(f"study name {_shown(study)}: use letters, digits, '-' and '_', at most {LONGEST}")
    if not isinstance(rows, Mapping) or not rows:
        shown = rows if isinstance(rows, Mapping) else type(rows)
        raise StudyError(f"{study}: rows={short(shown)}: give a baseline and what is compared with it, label: Run(...)")
    for label, run in rows.items():
        if not isinstance(label, str) or not label.strip() or not label.isprintable() or len(label) > LONGEST:
            raise StudyError(
                f"{study}, row {_shown(label)}: a label is one line of 1 to {LONGEST} printable characters"
            )
        if not isinstance(run, Run):
            raise StudyError(f"{study}, row {label!r}: is {short(run)}, must be a Run(...)")


def check_fields(study: Study) -> None:
    """Make sure that the other fields which a person gives are of their types.

    Raises:
        StudyError: the first that is not, or a margin that is none.

    """
    for field in ("scientific", "within"):
        names = getattr(study, field)
        if isinstance(names, str):
            raise StudyError(f"{study.name}: {field}={names!r} must be a tuple, as ({names!r},)")
        if not _are_names(names):
            usual = "attention" if field == "scientific" else "backbone"
            raise StudyError(f"{study.name}: {field}={_shown(names)}: give a tuple of names, as ({usual!r},)")
    for row, figure in study.published.items() if isinstance(study.published, Mapping) else ():
        if not isinstance(figure, Published) and not _is_number(figure):
            told = f"{study.name}: published[{row!r}]={_shown(figure)}"
            raise StudyError(f"{told}: give a number, as 5.0, or Published(...)")
    presets = study.presets
    whole = isinstance(presets, Mapping) and all(isinstance(run, Run) for run in presets.values())
    margin = study.margin is None or (_is_number(study.margin) and 0 < study.margin < 100)
    for field, good, wanted in (
        ("question", isinstance(study.question, str), "give one sentence, in quotes"),
        ("baseline", isinstance(study.baseline, str) or _are_names(study.baseline), "give the label of a row"),
        ("paper", isinstance(study.paper, str), "give the table of the paper, in quotes"),
        ("published", isinstance(study.published, Mapping), "give row: figure, as {'BAM': 5.0}"),
        ("presets", whole, "give name: run, as {'small': Run(...)}"),
        ("metric", isinstance(study.metric, str), "give a name, as 'error_top1'"),
        ("margin", margin, "give percentage points above 0, as 0.3"),
        ("stopping", study.stopping is None or isinstance(study.stopping, Stopping), "give a Stopping(...)"),
    ):
        if not good:
            raise StudyError(f"{study.name}: {field}={_shown(getattr(study, field))}: {wanted}")


def _are_names(given: object) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given)


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
        whole = all(type(seed) is int and 0 <= seed <= LAST_SEED for seed in given)
        good = 0 < len(given) <= MOST_SEEDS and whole and len(set(given)) == len(given)
    if not good:
        raise StudyError(
            f"{study}: seeds={short(seeds)}: give a number from 1 to {MOST_SEEDS:,}, or which seeds, each once, from 0 "
            f"to {LAST_SEED}"
        )
