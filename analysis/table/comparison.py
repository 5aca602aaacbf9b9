"""Each row of a study against its baseline, seed by seed, with what one table of many rows takes off each p-value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.statistics.equivalence import tost
from analysis.statistics.families import holm
from analysis.statistics.paired import PairedDifference, paired
from analysis.table.interim import Interim, interims
from analysis.table.verdict import Verdict, by_rule, verdict
from studies.definition.study import Study

Figures = Mapping[str, Mapping[int, float]]
"""row -> seed -> figure in percent."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row less its baseline; the attributes are those of `analysis.table.model.Row`."""

    delta: PairedDifference | None
    differences: tuple[float, ...] = ()
    p_holm: float = math.nan
    p_tost: float = math.nan
    interim: Interim | None = None


def compare(figures: Figures, home: Mapping[str, str], study: Study) -> dict[str, Comparison]:
    """Compare each row but the baselines; by the limits of the last look where seeds follow a stopping rule.

    Args:
        figures: of every row.
        home: row -> its baseline.
        study: what was asked.

    """
    others = [row for row in figures if row != home[row]]
    if study.stopping is not None:
        found = interims(figures, home, study)
        looked = {row: study.seed_list[: one.delta.n if one.delta else 0] for row, one in found.items()}
        return {
            row: Comparison(
                delta=found[row].delta,
                differences=tuple(figures[row][seed] - figures[home[row]][seed] for seed in looked[row]),
                interim=found[row],
            )
            for row in others
        }
    pairs = {row: sorted(set(figures[row]) & set(figures[home[row]])) for row in others}
    deltas = {
        row: paired([figures[row][s] for s in seeds], [figures[home[row]][s] for s in seeds])
        for row, seeds in pairs.items()
        if seeds
    }
    p_holm = _adjusted({row: delta.p for row, delta in deltas.items()}, study.comparisons)
    margin = study.margin
    p_tost = _adjusted(
        {r: tost(d, margin) if margin is not None else math.nan for r, d in deltas.items()}, study.comparisons
    )
    return {
        row: Comparison(
            delta=deltas.get(row),
            differences=tuple(figures[row][seed] - figures[home[row]][seed] for seed in pairs[row]),
            p_holm=p_holm.get(row, math.nan),
            p_tost=p_tost.get(row, math.nan),
        )
        for row in others
    }


def _adjusted(p: Mapping[str, float], comparisons: int) -> dict[str, float]:
    return dict(zip(p, map(float, holm(list(p.values()), comparisons=comparisons)), strict=True))


def conclude(found: Comparison, study: Study, *, wanted: int, failed: int = 0, unchanged: bool) -> Verdict:
    """Return what a row's comparison allows to conclude.

    Args:
        found: the comparison.
        study: what was asked.
        wanted: how many seeds the row should have.
        failed: at how many of them it or its baseline has failed.
        unchanged: whether the row computed exactly what its baseline did.

    """
    higher = study.scale.higher_is_better
    if found.interim is not None and study.stopping is not None and not unchanged:
        return by_rule(found.interim, study.stopping, higher_is_better=higher, margin=study.margin)
    return verdict(
        found.delta,
        found.p_holm,
        comparisons=study.comparisons,
        wanted=wanted,
        failed=failed,
        unchanged=unchanged,
        higher_is_better=higher,
        p_tost=found.p_tost,
        margin=study.margin,
    )
