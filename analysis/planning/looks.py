"""What each look of a stopping rule can resolve."""

import math
from dataclasses import dataclass
from typing import Final

from analysis.statistics.power import least_resolvable
from analysis.statistics.sequential import critical, limits
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
