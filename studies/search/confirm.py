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
    flats = [flatten(run) for run in runs]
    names = [n for n in space.choices if len(runs) == 1 or len({flat.get(n) for flat in flats}) > 1]
    of_attention = any(name.partition(".")[0] in ("attention", "placement") for name in space.choices)
    parts = _panels(runs, names) if of_attention else []
    if all(len(part) == 1 for part in parts):
        base = _plain(space.base) if of_attention else replace(space.base, seed=0)
        part = {"base" if space.base.attention == base.attention else "base without attention": base}
        for rank, run in enumerate(runs, 1):
            _add(part, _label(rank, run, base, names), run)
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


def _panels(runs: Sequence[Run], names: Collection[str]) -> list[dict[str, Run]]:
    """Return the rows of each network, data and recipe, the one without attention first."""
    ranks: dict[str, list[int]] = {}
    for rank, run in enumerate(runs, 1):
        ranks.setdefault(_plain(run).key, []).append(rank)
    panels = []
    for own in ranks.values():
        plain = _plain(runs[own[0] - 1])
        labels = {rank: _label(rank, runs[rank - 1], plain, names) for rank in own}
        usual = "none" if len(ranks) == 1 else f"plain {own[0]}"
        rows = {next((labels[rank] for rank in own if runs[rank - 1].attention is None), usual): plain}
        for rank, label in labels.items():  # its recipe may be the same in another spelling
            run = runs[rank - 1]
            _add(rows, label, replace(plain, attention=run.attention, placement=run.placement))
        panels.append(rows)
    return panels


def _plain(run: Run) -> Run:
    return replace(run, attention=None, placement=AfterStages(), seed=0)


def _add(rows: dict[str, Run], label: str, run: Run) -> None:
    if all(run.key != other.key for other in rows.values()):
        rows[label] = run


def _label(rank: int, run: Run, baseline: Run, names: Collection[str]) -> str:
    """Return a row's rank, its module where that is not the baseline's, and as many of the knobs `names` as fit."""
    flat = flatten(run)
    module = ("attention",) if flat["attention"] != flatten(baseline)["attention"] else ()
    knobs = [f"{n.rpartition('.')[2]}={value_text(flat[n])}" for n in dict.fromkeys((*module, *names)) if n in flat]
    return textwrap.shorten(" ".join((str(rank), *knobs)), LONGEST, placeholder=" ...")
