"""What looks and spendings resolve, and on how many seeds: of `inference.py`, behind `Stopping`'s defaults."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.statistics.sequential import stops
from studies.definition.stopping import Spending, Stopping
from tests.benchmarks.simulated import Measured

RULES: tuple[tuple[tuple[int, ...], Spending], ...] = (
    (Stopping().looks, "obrien-fleming"),
    (Stopping().looks, "pocock"),
    ((4, 8, 12, 16), "obrien-fleming"),
    ((16,), "obrien-fleming"),
)
EFFECTS = (0.5, 0.8, 1.0, 1.5, 3.0)


def looks(_: np.random.Generator, studies: int) -> Iterator[Measured]:
    """How many rows of one true difference, in sd of the paired differences, are resolved, and by how many seeds.

    The default looks lose next to no power against those at 4, 8, 12, 16 seeds, and want no more seeds.
    """
    rows = 5 * studies
    for comparisons in (1, 5, 8):
        for effect in EFFECTS:
            each = [stops(at, 0.05 / comparisons, spending, effect, simulated=rows) for at, spending in RULES]
            for (at, spending), found in zip(RULES, each, strict=True):
                title = f"({comparisons} rows, {effect:g} sd, {spending[:6]}, {at}: {found.seeds:.1f} seeds)"
                yield Measured(title=title, found=100 * sum(found.different), n=rows)
            default, _, before, _ = each
            lost = max(100 * (sum(before.different) - sum(default.different)), 0.0)
            yield Measured(title="power that the default looks lose", found=lost, n=rows, claim="at most 5")
            assert default.seeds < before.seeds + 0.2
