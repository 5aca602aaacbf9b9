"""From a search to a study: its best configurations, trained anew at fresh seeds and scored on the test set."""

import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lightning_bam.config import AfterStages, Run, flatten
from lightning_bam.run_folder.result import headline
from studies.definition.limits import LONGEST, shortened
from studies.definition.panels import make_panels, varying
from studies.definition.study import Study
from studies.errors import StudyError
from studies.search.choices import Value
from studies.search.space import Space, value_text

SEEDS: Final = 5
"""Fresh seeds of a confirming study."""


def confirmation(space: Space, best: Sequence[Mapping[str, Value]], used: int, label: str) -> Study:
    """Return a study of the best configurations, each against the same network, data and recipe without attention.

    Where these differ between the configurations, each has a panel of its own, so that what the attention does can be
    told from what the recipe does. One without attention is the baseline of its panel. Where none has attention, they
    are compared with the space's base without attention; where the space varies nothing of it, with its base.

    `best` has the values of each configuration, the best first; `used` is how many seeds, from the base's on, the
    search called `label` has used. A `StudyError` where no configuration differs from the baseline.
    """
    runs = [replace(space.configuration(values), seed=0) for values in best]
    labels = row_labels(space, runs)
    of_attention = _of_attention(space)
    parts = _panels(space, runs, labels) if of_attention else []
    if all(len(part) == 1 for part in parts):
        base = _plain(space.base) if of_attention else replace(space.base, seed=0)
        part = {"base" if space.base.attention == base.attention else "base without attention": base}
        for label_of_row, run in zip(labels, runs, strict=True):
            _add(part, label_of_row, run)
        parts = [part]
    rows = {row: run for part in parts for row, run in part.items()}
    if len(rows) == 1:
        raise StudyError(f"{label}: nothing to confirm: no trial is complete that differs from the baseline")
    slots = ("dataset", "backbone", "recipe") if len(parts) > 1 else ()
    within = tuple(slot for slot in slots if len({getattr(run, slot) for run in rows.values()}) > 1)
    baselines = tuple(next(iter(part)) for part in parts)
    name = name_of(label)
    varied = varying(rows, make_panels(name, rows, baselines, within))
    first = space.base.seed + used
    return Study(
        name=name,
        question=f"Does the best of {label} hold on the test set, with fresh seeds?",
        rows=rows,
        baseline=baselines if within else baselines[0],
        within=within,
        scientific=tuple(dict.fromkeys(n for run in rows.values() for n in flatten(run) if n in varied)),
        seeds=tuple(range(first, first + SEEDS)),
        metric=headline(space.base).name,
    )


def name_of(label: str) -> str:
    """Return the name of the study that confirms what the search of this label has found."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", shortened(f"confirm-{label.removeprefix('search+')}", LONGEST))


def row_labels(space: Space, runs: Sequence[Run], taken: Collection[str] = (), lead: Sequence[str] = ()) -> list[str]:
    """Return how each of these configurations is called: by the searched knobs in which they differ, after `lead`.

    One alone is called by all that is searched, and its module where the space varies something of it. Where three
    digits of a number, or as many signs as a label has, tell two not apart, or one from those `taken`, each has its
    number behind it, from 1 up.
    """
    flats = [flatten(run) for run in runs]
    names = [name for name in space.choices if len(runs) == 1 or len({flat.get(name) for flat in flats}) > 1]
    if len(runs) == 1 and runs[0].attention is not None and _of_attention(space):
        names = ["attention", *names]
    texts = [_label(flat, names, lead) for flat in flats]
    numbers = [f" ({number})" if texts.count(text) > 1 or text in taken else "" for number, text in enumerate(texts, 1)]
    return [_short(text, LONGEST - len(number)) + number for text, number in zip(texts, numbers, strict=True)]


def _panels(space: Space, runs: Sequence[Run], labels: Sequence[str]) -> list[dict[str, Run]]:
    """Return the rows of each network, data and recipe, the one without attention first."""
    own: dict[str, list[int]] = {}
    for at, run in enumerate(runs):
        own.setdefault(_plain(run).key, []).append(at)
    plains = [_plain(runs[ranks[0]]) for ranks in own.values()]
    panels = []
    usual = ["none"] if len(plains) == 1 else row_labels(space, plains, labels, ("none",))
    for plain, none, ranks in zip(plains, usual, own.values(), strict=True):
        rows = {next((labels[at] for at in ranks if runs[at].attention is None), none): plain}
        for at in ranks:  # its recipe may be the same in another spelling
            _add(rows, labels[at], replace(plain, attention=runs[at].attention, placement=runs[at].placement))
        panels.append(rows)
    return panels


def _of_attention(space: Space) -> bool:
    """Say whether the space varies something of the attention."""
    return any(name.partition(".")[0] in ("attention", "placement") for name in space.choices)


def _plain(run: Run) -> Run:
    return replace(run, attention=None, placement=AfterStages(), seed=0)


def _add(rows: dict[str, Run], label: str, run: Run) -> None:
    if all(run.key != other.key for other in rows.values()):
        rows[label] = run


def _label(flat: Mapping[str, object], names: Collection[str], lead: Sequence[str]) -> str:
    """Return as many of these knobs as fit, as `reduction=4, lr=0.1`; a module stands there by its name alone."""
    knobs = [
        value_text(flat[name]) if name == "attention" else f"{name.rpartition('.')[2]}={value_text(flat[name])}"
        for name in dict.fromkeys(names)
        if name in flat
    ]
    return _short(", ".join((*lead, *knobs)), LONGEST)


def _short(text: str, most: int) -> str:
    return textwrap.shorten(text, most, placeholder=" ...")
