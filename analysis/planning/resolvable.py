"""What a row's seeds can resolve, and each look of a stopping rule."""

import math
from dataclasses import dataclass
from typing import Final

from analysis.statistics.power import least_resolvable
from analysis.statistics.sequential import critical, limits
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL
from studies.definition.stopping import Stopping

DEAD: Final = 5.0
"""Standard deviations of the paired differences above which no difference between two rows is to be expected."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The look at `n` seeds: at or below the p-value `limit` a row stops there as different.

    `meets` is the least mean difference whose p is so small, `resolves` the least true one for which that is so with
    80 % power, both in standard deviations of the paired differences.
    """

    n: int
    limit: float
    meets: float
    resolves: float

    @property
    def dead(self) -> bool:
        """Whether no difference that is to be expected could stop a row here."""
        return self.meets > DEAD

    def __str__(self) -> str:
        if self.dead:
            return f"look at {self.n} seeds: only differences above {self.meets:.3g} sd: it resolves nothing"
        power = f"a true one of {self.resolves:.2f} sd in 80 %"
        return f"look at {self.n} seeds: differences above {self.meets:.2f} sd (of paired differences), {power}"


def looks_of(rule: Stopping, comparisons: int) -> list[Look]:
    """Return what each look of a rule can resolve whose level is shared by `comparisons` rows (Bonferroni)."""
    found = limits(rule.looks, rule.level / comparisons, rule.spending)
    return [
        Look(n=n, limit=p, meets=critical(p, n) / math.sqrt(n), resolves=least_resolvable(1.0, n, level=p))
        for n, p in zip(rule.looks, found, strict=True)
    ]


def least_of(row: Row, table: Table) -> float:
    """Return the least difference (percentage points) that a row's seeds resolve with 80 % power; NaN where unknown.

    The study's level is shared by all its comparisons; by a stopping rule the limit of the row's last look counts.
    """
    if row.delta is None or not row.delta.sd > 0:
        return math.nan
    level = LEVEL / table.comparisons
    if row.interim is not None and row.interim.limit is not None:
        level = row.interim.limit
    return least_resolvable(row.delta.sd, row.delta.n, level=level)
