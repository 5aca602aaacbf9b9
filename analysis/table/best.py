"""The rows that cannot be told from the best: multiple comparisons with the best (Hsu, 1984), pair by pair.

A row leaves the set where some other row is better, by the test that the verdicts use: the paired t-test, two-sided at
the study's level over its comparisons, and under a stopping rule at the limits of the rule. The best row of a panel is
compared with each other row of it, so by Bonferroni it stays in the set in 97.5 % of studies or more (it leaves by one
side alone). A row that is better than its baseline so always beats it here, and one that is worse never is in the set.

Where no row is better or worse than the baseline there is no set: of rows that are all alike some two are told apart in
13 % of studies with six rows, since that many pairs are compared, but one from the baseline in 5 % at most.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from analysis.statistics.paired import MOST
from analysis.statistics.sequential import limits
from analysis.table.interim import Interim
from analysis.table.verdict import LEVEL
from studies.definition.study import Study


def best_rows(figures: Mapping[str, Mapping[int, float]], study: Study, looks: Mapping[str, Interim]) -> frozenset[str]:
    """Return the rows of each panel that no other is better than; none of a panel without a difference.

    `figures` are row -> seed -> percent. Rows that lack seeds of the study take no part: which one is ahead would else
    be watched until it is. Under a stopping rule, whose `looks` are by row, each takes part with the seeds of its last,
    of those that its baseline has: a spare seed in the place of one at which the row itself failed pairs with no other.
    """
    rule, share = study.stopping, max(study.comparisons, 1)
    if rule is None:
        limit, looked = {len(study.seed_list): LEVEL / share}, dict.fromkeys(study.rows, study.seed_list)
    else:
        limit = dict(zip(rule.looks, limits(rule.looks, rule.level / share, rule.spending), strict=True))
        looked = {row: look.looked for row, look in looks.items()}
    sign = 1 if study.scale.higher_is_better else -1
    found: set[str] = set()
    for panel in study.panels:
        order = tuple(seed for seed in study.seed_list if seed in figures[panel.baseline])
        seeds = {row: looked.get(row, ()) for row in panel.rows}
        seeds[panel.baseline] = order[: max(map(len, seeds.values()))]
        among = {
            row: [sign * figures[row][seed] for seed in of]
            for row, of in seeds.items()
            if len(of) > 1 and of == order[: len(of)] and all(seed in figures[row] for seed in of)
        }
        found |= unbeaten(among, panel.baseline, limit)
    return frozenset(found)


def unbeaten(figures: Mapping[str, Sequence[float]], baseline: str, limit: Mapping[int, float]) -> frozenset[str]:
    """Return the rows than which no other is higher, empty where none is told from the baseline.

    `figures` are row -> percent, seed by seed; two rows are compared over the n seeds of the shorter. A row is higher
    where the p of n pairs is at or below the limit of n.
    """
    lower: set[str] = set()
    told = False
    for n, most in limit.items():
        rows = [row for row, of in figures.items() if len(of) >= n]
        of_rows = np.array([figures[row][:n] for row in rows]).reshape(-1, n)
        shortest = np.array([len(figures[row]) == n for row in rows], dtype=bool)
        for row, ours, short in zip(rows, of_rows, shortest, strict=True):
            difference = of_rows - ours
            spread = np.ptp(difference, axis=1) > 4 * np.finfo(float).eps * MOST
            sd = np.where(spread, difference.std(axis=1, ddof=1), np.inf)
            p = 2 * special.stdtr(n - 1, -np.abs(difference.mean(axis=1)) / (sd / math.sqrt(n)))
            differs = (p <= most) & (shortest | short)
            if (differs & (difference.mean(axis=1) > 0)).any():
                lower.add(row)
            told |= row == baseline and bool(differs.any())
    return frozenset(figures) - lower if told else frozenset()
