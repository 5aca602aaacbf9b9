"""Each row of a study against its baseline, seed by seed, with what one table of many rows takes off each p-value."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.statistics.families import bonferroni, holm
from analysis.statistics.paired import PairedDifference, paired, tost
from analysis.table.interim import Interim, interims
from analysis.table.verdict import LEVEL, Verdict, by_rule, verdict, without_figures
from studies.definition.study import Study


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row less its baseline; the attributes are those of `analysis.table.model.Row`."""

    delta: PairedDifference | None
    differences: tuple[float, ...] = ()
    p_adjusted: float = math.nan
    p_holm: float = math.nan
    p_tost: float = math.nan
    interim: Interim | None = None


def compare(figures: Mapping[str, Mapping[int, float]], home: Mapping[str, str], study: Study) -> dict[str, Comparison]:
    """Compare each row but the baselines; `figures` are row -> seed -> percent, `home` row -> its baseline.

    Intervals and p are adjusted by Bonferroni: the intervals of all rows hold together, and one leaves out 0 exactly
    where its p is below 0.05. Holm's p is at most as large, but no intervals belong to it that would agree with it
    and hold together: it is given as a second opinion.
    """

    def differences(row: str) -> tuple[float, ...]:
        return tuple(figures[row][seed] - figures[home[row]][seed] for seed in pairs[row])

    others = [row for row in figures if row != home[row]]
    if study.stopping is not None:
        looks = interims(figures, home, study)
        pairs = {row: list(study.seed_list[: look.delta.n if look.delta else 0]) for row, look in looks.items()}
        return {
            row: Comparison(
                delta=look.delta,
                differences=differences(row),
                p_tost=math.nan if look.tost is None else look.tost,
                interim=look,
            )
            for row, look in looks.items()
        }
    pairs = {row: sorted(figures[row].keys() & figures[home[row]].keys()) for row in others}
    count, margin = study.comparisons, math.nan if study.margin is None else study.margin
    deltas = {
        row: paired([figures[row][s] for s in seeds], [figures[home[row]][s] for s in seeds], outside=LEVEL / count)
        for row, seeds in pairs.items()
        if seeds
    }
    p_holm = holm([delta.p for delta in deltas.values()], comparisons=count)
    stepped = dict(zip(deltas, map(float, p_holm), strict=True))
    return {
        row: Comparison(
            delta=delta,
            differences=differences(row),
            p_adjusted=bonferroni(delta.p, count) if delta else math.nan,
            p_holm=stepped.get(row, math.nan),
            p_tost=bonferroni(tost(delta, margin), count) if delta else math.nan,
        )
        for row in others
        for delta in (deltas.get(row),)
    }


def conclude(
    comparison: Comparison, study: Study, n: int, states: Counter[str], *, failed: int = 0, unchanged: bool
) -> Verdict:
    """Return what a row's n complete runs allow to conclude, by the study's rule if it has one."""
    if not n and not unchanged:
        return without_figures(states)
    higher = study.scale.higher_is_better
    if comparison.interim is not None and study.stopping is not None and not unchanged:
        return by_rule(comparison.interim, study.stopping, higher_is_better=higher, margin=study.margin)
    return verdict(
        comparison.delta,
        comparison.p_adjusted,
        wanted=n + states.total(),
        failed=failed,
        unchanged=unchanged,
        higher_is_better=higher,
        p_tost=comparison.p_tost,
        margin=study.margin,
    )
