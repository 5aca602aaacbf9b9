"""How many more seeds would close a comparison, should its difference and spread persist."""

from __future__ import annotations

from typing import NamedTuple

from analysis.statistics import PairedDifference, seeds_needed
from analysis.statistics.power import seeds_for_equivalence


class Closing(NamedTuple):
    """More seeds until 80 % power; None for out of reach, and `to_equal` is None without a margin, too."""

    to_differ: int | None
    to_equal: int | None


def closing(delta: PairedDifference, *, level: float, comparisons: int, margin: float | None) -> Closing:
    """Return how many more seeds an open comparison needs until it is resolved, or found equivalent.

    Args:
        delta: the paired difference seen so far, of at least two pairs.
        level: family-wise level of the study.
        comparisons: how many comparisons share it.
        margin: the largest difference that is too small to matter, in percentage points, if the study names one.

    """
    differ = seeds_needed(delta.mean, delta.sd, level=level, comparisons=comparisons)
    equal = None
    if margin is not None:
        equal = seeds_for_equivalence(margin, delta.mean, delta.sd, level=level / comparisons)
    return Closing(*(None if total is None else max(total - delta.n, 1) for total in (differ, equal)))


def lesser(found: Closing) -> int | None:
    """Return the fewer of the two numbers; None where neither is within reach."""
    return min((more for more in found if more is not None), default=None)
