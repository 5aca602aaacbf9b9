"""From a search to a study: its best configurations, asked again on the test set with seeds that it has not used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from lightning_bam.config import AfterStages, Run, flatten
from studies.choices import Value
from studies.error import StudyError
from studies.headline import headline
from studies.space import Space, shown
from studies.study import Study

SEEDS: Final = 5
"""Fresh seeds of a confirming study."""


def confirming(space: Space, best: Sequence[Mapping[str, Value]], used: int, label: str) -> Study:
    """Return a study of the best configurations against the space's base without attention.

    A row whose recipe (or backbone, or data) is not the base's brings a row `plain` of the same recipe, so that what
    the attention does can be told from what the recipe does. A space without attention is compared with its base.

    Args:
        space: what was searched.
        best: the values of each configuration, the best first.
        used: how many seeds, from the base's on, the search has used.
        label: of the search.

    Raises:
        StudyError: nothing that differs from the baseline has been found.

    """
    attentive = space.base.attention is not None or "attention" in space.choices
    base = _plain(space.base) if attentive else replace(space.base, seed=0)
    rows = {"none" if attentive else "base": base}
    runs = [replace(space.chosen(values), seed=0) for values in best]
    told = _varied(space, runs)
    for rank, run in enumerate(runs, 1):
        _add(rows, " ".join((str(rank), *(f"{n.rpartition('.')[2]}={shown(flatten(run)[n])}" for n in told(run)))), run)
        if attentive:
            _add(rows, f"plain {rank}", _plain(run))
    if len(rows) == 1:
        raise StudyError(f"{label}: nothing to confirm: no trial is complete that differs from the baseline")
    flats = [flatten(run) for run in rows.values()]
    names = dict.fromkeys(name for flat in flats for name in flat)
    first = space.base.seed + used
    return Study(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", f"confirm-{label.removeprefix('search+')}"),
        question=f"Does the best of {label} hold on the test set, with fresh seeds?",
        rows=rows,
        baseline=next(iter(rows)),
        scientific=tuple(n for n in names if len({flat[n] for flat in flats if n in flat}) > 1),
        seeds=tuple(range(first, first + SEEDS)),
        metric=headline(base).name,
    )


def _plain(run: Run) -> Run:
    return replace(run, attention=None, placement=AfterStages(), seed=0)


def _add(rows: dict[str, Run], label: str, run: Run) -> None:
    if all(run.key != other.key for other in rows.values()):
        rows[label] = run


def _varied(space: Space, runs: Sequence[Run]) -> Any:
    """Return a function that names those knobs of a run in which not all of `runs` agree; of a lone one, all."""
    flats = [flatten(run) for run in runs]
    names = [n for n in space.choices if len(runs) == 1 or len({flat.get(n) for flat in flats}) > 1]
    return lambda run: [name for name in names if name in flatten(run)]
