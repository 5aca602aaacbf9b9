"""What a factorial study lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

Cells = Mapping[tuple[str, ...], Mapping[int, float]]
"""The level of each factor, in their order -> seed -> figure."""


def gaps(cells: Cells, factors: Mapping[str, Sequence[str]]) -> list[str]:
    """Name the cells without a run, and those that lack a seed which another cell has, each in one line.

    Cells without a run are named together where all that have these levels lack one: `no run at combine=max` for the
    whole level, `no run at combine=max, norm=ends` for a pair of levels, whatever the other factors are.

    Args:
        cells: the figures there are.
        factors: flat name -> its levels, in order.

    """
    found = {cell: runs for cell, runs in cells.items() if runs}
    empty: list[dict[int, str]] = []
    for size in range(1, len(factors) + 1):
        for places in combinations(range(len(factors)), size):
            seen = {tuple(cell[place] for place in places) for cell in found}
            for levels in product(*(list(factors.values())[place] for place in places)):
                part = dict(zip(places, levels, strict=True))
                if levels not in seen and not any(known.items() <= part.items() for known in empty):
                    empty.append(part)
    names = list(factors)
    lines = [f"no run at {', '.join(f'{names[place]}={level}' for place, level in part.items())}" for part in empty]
    seeds = sorted({seed for runs in found.values() for seed in runs})
    for cell, runs in found.items():
        if lacking := [seed for seed in seeds if seed not in runs]:
            where = ", ".join(f"{name}={level}" for name, level in zip(names, cell, strict=True))
            which = f"seed{'s' if len(lacking) > 1 else ''} {', '.join(map(str, lacking))}"
            lines.append(f"{where}: {len(runs)} of {len(seeds)} seeds (lacks {which})")
    return lines
