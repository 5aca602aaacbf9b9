"""What a study must have before it can ask anything: a name, rows with labels, and seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from lightning_bam.config import Run, nearest
from lightning_bam.json_text import short
from lightning_bam.run_folder.result import CLASSIFIED, DETECTED, METRICS
from studies.definition.limits import LAST_SEED, LONGEST, MOST_SEEDS
from studies.definition.stopping import Stopping
from studies.errors import StudyError
from studies.paper.published import Published


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


def check_fields(study: str, given: Mapping[str, Any]) -> None:
    """Make sure that the other fields of a study which a person gives are of their types.

    Raises:
        StudyError: the first that is not, or a margin that is none.

    """
    for field in ("scientific", "within"):
        names = given[field]
        if isinstance(names, str):
            raise StudyError(f"{study}: {field}={names!r} must be a tuple, as ({names!r},)")
        if not _are_names(names):
            usual = "attention" if field == "scientific" else "backbone"
            raise StudyError(f"{study}: {field}={_shown(names)}: give a tuple of names, as ({usual!r},)")
    for row, figure in given["published"].items() if isinstance(given["published"], Mapping) else ():
        if not isinstance(figure, Published) and not _is_number(figure):
            told = f"{study}: published[{row!r}]={_shown(figure)}"
            raise StudyError(f"{told}: give a number, as 5.0, or Published(...)")
    presets = given["presets"]
    whole = isinstance(presets, Mapping) and all(isinstance(run, Run) for run in presets.values())
    margin = given["margin"] is None or (_is_number(given["margin"]) and 0 < given["margin"] < 100)
    for field, good, wanted in (
        ("question", isinstance(given["question"], str), "give one sentence, in quotes"),
        ("baseline", isinstance(given["baseline"], str) or _are_names(given["baseline"]), "give the label of a row"),
        ("paper", isinstance(given["paper"], str), "give the table of the paper, in quotes"),
        ("published", isinstance(given["published"], Mapping), "give row: figure, as {'BAM': 5.0}"),
        ("presets", whole, "give name: run, as {'small': Run(...)}"),
        ("metric", isinstance(given["metric"], str), "give a name, as 'error_top1'"),
        ("margin", margin, "give percentage points above 0, as 0.3"),
        ("stopping", given["stopping"] is None or isinstance(given["stopping"], Stopping), "give a Stopping(...)"),
    ):
        if not good:
            raise StudyError(f"{study}: {field}={_shown(given[field])}: {wanted}")


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


def check_metric(study: str, metric: str, rows: Mapping[str, Run]) -> None:
    """Make sure that every row reports what the study compares.

    Raises:
        StudyError: no such metric, or one that some row does not report.

    """
    if metric not in METRICS:
        raise StudyError(f"{study}: metric {metric!r}: no such metric; {nearest(metric, METRICS)}")
    for row, run in rows.items():
        reported_ones = DETECTED if run.detects else CLASSIFIED[:2]
        if metric not in reported_ones:
            kind = "detector" if run.detects else "classifier"
            raise StudyError(f"{study}: metric {metric!r}: row {row!r} is a {kind}; use {' or '.join(reported_ones)}")
