"""Marks that would hide one another stand one above the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.ladder import Ladder

MARK: Final = 5.2
"""Points of 1/72 inch that a mark takes in either direction: two less far from each other would partly hide one."""

Marks = dict[tuple[int, str], tuple[Line2D, int]]
"""Seed and row -> the line that its mark is on, and at which place."""


def levels(values: Mapping[int, float], near: float) -> dict[int, float]:
    """Return seed -> on which level above its row's middle its mark stands, so that it hides none on the same level.

    Marks that hide one another, directly or through others, are a pile; its levels are one apart, about the middle.

    Args:
        values: seed -> difference.
        near: below which two marks would hide each other, in the same unit.

    """
    found: dict[int, float] = {}
    pile: list[int] = []
    last: list[float] = []  # the last value on each level of the pile
    for seed in sorted(values, key=lambda seed: (values[seed], seed)):
        value = values[seed]
        if not last or value - max(last) >= near:
            found |= {one: found[one] - (len(last) - 1) / 2 for one in pile}
            pile, last = [], []
        free = next((level for level, at in enumerate(last) if value - at >= near), len(last))
        last[free : free + 1] = [value]
        found[seed] = free
        pile.append(seed)
    return found | {one: found[one] - (len(last) - 1) / 2 for one in pile}


def pile_up(axes: Axes, marks: Marks, steps: Ladder) -> None:
    """Put marks that would hide each other above one another; a figure whose rows have no room for them grows."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    wide, high = (72 * size / figure.dpi for size in axes.get_window_extent().size)
    low, most = axes.get_xlim()
    values: dict[str, dict[int, float]] = {label: {} for label in steps.places}
    for (seed, label), (line, place) in marks.items():
        values[label][seed] = float(np.asarray(line.get_xdata())[place])
    off = {label: levels(points, MARK * (most - low) / wide) for label, points in values.items()}
    rung = high / (steps.bottom + 1.4)
    deepest = 2 * max((level for row in off.values() for level in row.values()), default=0.0) + 1
    wanted = max(rung, MARK * (deepest + 0.5))
    figure.set_figheight(figure.get_figheight() + (wanted - rung) * (steps.bottom + 1.4) / 72)
    for (seed, label), (line, place) in marks.items():
        heights = np.array(line.get_ydata(), dtype=float)
        heights[place] = steps.places[label] + off[label][seed] * MARK / wanted
        line.set_ydata(heights)
