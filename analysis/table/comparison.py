"""Each row of a study against its baseline, seed by seed, with what one table of many rows takes off each p-value."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.statistics.failed_pairs import p_different, p_equivalent
from analysis.statistics.families import bonferroni, holm
from analysis.statistics.paired import PairedDifference, paired, tost
from analysis.table.interim import Failed, Interim, interims
from analysis.table.verdict import LEVEL, Verdict, by_rule, verdict, without_figures
from studies.definition.study import Study


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row less its baseline; the attributes are those of `analysis.table.model.Row`.

    `failed` pairs have no difference since a run of theirs failed. `p_failed` and `tost_failed` are p and `p_tost` with
    these against the verdict (`failed_pairs`), adjusted (Bonferroni); NaN where none has failed. Where seeds follow a
    rule, 0 and NaN: `interim` has its own.
    """

    delta: PairedDifference | None
    differences: tuple[float, ...] = ()
    failed: int = 0
    p_adjusted: float = math.nan
    p_holm: float = math.nan
    p_tost: float = math.nan
    p_failed: float = math.nan
    tost_failed: float = math.nan
    interim: Interim | None = None

    @property
    def overturned(self) -> str:
        """What the pairs left show and failures alone could overturn: `different`, `equivalent`, or nothing."""
        if self.interim is not None:
            return self.interim.overturned
        if self.p_adjusted < LEVEL:
            return "different" if self.p_failed >= LEVEL else ""
        return "equivalent" if self.p_tost < LEVEL <= self.tost_failed else ""


def compare(
    figures: Mapping[str, Mapping[int, float]], home: Mapping[str, str], study: Study, failed: Failed | None = None
) -> dict[str, Comparison]:
    """Compare each row but the baselines; `figures` are row -> seed -> percent, `home` row -> its baseline.

    Intervals and p are adjusted by Bonferroni: the intervals of all rows hold together, and one leaves out 0 exactly
    where its p is below 0.05. Holm's p is at most as large, but no intervals belong to it that would agree with it
    and hold together: it is given as a second opinion. `failed` are the seeds at which a row has failed.
    """

    def differences(row: str) -> tuple[float, ...]:
        return tuple(figures[row][seed] - figures[home[row]][seed] for seed in pairs[row])

    others = [row for row in figures if row != home[row]]
    if study.stopping is not None:
        looks = interims(figures, home, study, failed or {})
        pairs = {row: list(look.looked) for row, look in looks.items()}
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
    failures = {row: _failed(failed or {}, row, home) for row in others}
    against = {row: _against(differences(row), failures[row], study) for row in others}
    return {
        row: Comparison(
            delta=delta,
            differences=differences(row),
            failed=failures[row],
            p_adjusted=bonferroni(delta.p, count) if delta else math.nan,
            p_holm=stepped.get(row, math.nan),
            p_tost=bonferroni(tost(delta, margin), count) if delta else math.nan,
            p_failed=against[row][0],
            tost_failed=against[row][1],
        )
        for row in others
        for delta in (deltas.get(row),)
    }


def _failed(failed: Failed, row: str, home: Mapping[str, str]) -> int:
    """Count the pairs of a row that failed."""
    return len({seed for each in (row, home[row]) for seed, still in failed.get(each, {}).items() if still})


def _against(differences: Sequence[float], failed: int, study: Study) -> tuple[float, float]:
    """Return p and that of equivalence with so many `failed` pairs against the verdict, adjusted; NaN without any."""
    if not failed or len(differences) < 2:
        return math.nan, math.nan
    different, margin, count = p_different(differences, failed), study.margin, study.comparisons
    equivalent = math.nan if margin is None else p_equivalent(differences, failed, margin)
    return bonferroni(different, count), bonferroni(equivalent, count)


def conclude(comparison: Comparison | None, study: Study, n: int, states: Counter[str], *, unchanged: bool) -> Verdict:
    """Return what a row's n complete runs allow to conclude, by the study's rule if it has one; None: a baseline."""
    if comparison is None:
        return Verdict(kind="baseline")
    higher = study.scale.higher_is_better
    if comparison.interim is not None and study.stopping is not None and not unchanged:
        found = by_rule(comparison.interim, study.stopping, higher_is_better=higher, margin=study.margin)
        return replace(found, overturned=comparison.overturned)
    if not n and not unchanged:
        return without_figures(states)
    found = verdict(
        comparison.delta,
        max(comparison.p_adjusted, comparison.p_failed),
        wanted=n + states.total(),
        failed=comparison.failed,
        unchanged=unchanged,
        higher_is_better=higher,
        p_tost=max(comparison.p_tost, comparison.tost_failed),
        margin=study.margin,
    )
    return found if unchanged else replace(found, overturned=comparison.overturned)
