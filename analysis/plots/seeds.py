"""Seeds and power: every paired difference, and the least difference that a number of seeds resolves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis.formats.columns import signed
from analysis.plots.drawn import BLUE, INK, Absent, Drawn, drawn_in, number, settled
from analysis.plots.ladder import Ladder, ladder, limits, rungs
from analysis.plots.palette import FAINT, GREY, PAGE, SMALL, TEXT, mark
from analysis.statistics.paired import MOST as LARGEST
from analysis.statistics.power import least_resolvable
from analysis.table.build import Table
from analysis.table.model import Row

TOLD_APART: Final = 7
"""Seeds that get a mark each; more of them are all drawn alike."""
MARK: Final = 5.2 / 72
"""Height in inches that a mark takes, and so each of those seeds in a row."""
TALL: Final = 3.0
"""Height in inches of the rows from which the axes beside them stay lower."""
FEWEST: Final = 3
MOST: Final = 20
"""Numbers of seeds between which the least resolvable difference is drawn, at least."""


def seeds(table: Table) -> Drawn | Absent:
    """Draw the differences seed by seed, and what n seeds resolve at the spreads seen so far."""
    rows = [row for row in table.rows if row.delta is not None and row.label != row.baseline]
    if not rows:
        return Absent("no row has a finished run at a seed at which its baseline has one")
    noun = table.metric.label.removesuffix(" (%)")
    spreads = spread(rows)
    deltas = [row.delta for row in rows if row.delta is not None]
    blind = any(least_resolvable(d.sd, d.n, comparisons=table.comparisons) > LARGEST for d in deltas)
    known = len(spreads)
    lead = f"Differences in {noun} to the baseline at each seed, in percentage points. "
    power = "No row has two paired seeds yet, so nothing is known of its spread."
    if spreads:
        counts = {3, 5, 10, 20, *(row.delta.n for row in rows if row.delta and row.delta.n > 1)}
        power = resolved_by(sorted(counts), median(spreads), table.comparisons)
    told_apart = len({seed for row in rows for seed in differences(table, row)}) <= TOLD_APART
    heights = "; in each row, the seeds stand one below the other" if told_apart else ""
    return Drawn(
        name="seeds",
        title="Seeds and power",
        figure=spread_and_power(table),
        alt=lead + " ".join(_told(table, row) for row in rows) + " " + power,
        caption=f"Left: the difference in {noun} to the baseline at each seed; a bar behind them is the row's mean, "
        f"a thin line joins the same seed{heights}. "
        "Right: the least mean difference that n paired seeds resolve with 80 % power at a "
        f"family-wise level of 5 % ({table.comparisons} comparison{'' if table.comparisons == 1 else 's'}, "
        "Bonferroni), for the "
        f"median (line) and from the least to the greatest (band) of the standard deviations of {known} "
        f"row{'' if known == 1 else 's'}; a circle is a row at the n at hand"
        + (f", a triangle one that resolves nothing there: no difference is larger than {LARGEST:g} points" * blind)
        + ".",
    )


def resolved_by(counts: Sequence[int], spread: float, comparisons: int) -> str:
    """Say what these numbers of seeds resolve at a spread; nothing where that is more than figures can differ by."""
    least = {n: least_resolvable(spread, n, comparisons=comparisons) for n in counts}
    within = [f"{n} seeds resolve {number(one)}" for n, one in least.items() if one <= LARGEST]
    beyond = ", ".join(str(n) for n, one in least.items() if one > LARGEST)
    told = [f"{', '.join(within)} points"] if within else []
    told += [f"{beyond} seeds resolve nothing: no difference is larger than {LARGEST:g} points"] if beyond else []
    return f"At the median spread of {spread:.2f} points, {'; '.join(told)}."


def differences(table: Table, row: Row) -> dict[int, float]:
    """Return seed -> the row's figure less its baseline's, in percentage points, where both have one."""
    base = next(other.errors for other in table.rows if other.label == row.baseline)
    return {seed: row.errors[seed] - base[seed] for seed in sorted(set(row.errors) & set(base))}


def spread(rows: list[Row]) -> list[float]:
    """Return the known standard deviations of paired differences that are above 0."""
    return [row.delta.sd for row in rows if row.delta is not None and row.delta.sd > 0]


def _told(table: Table, row: Row) -> str:
    return f"{row.label}: {', '.join(signed(value) for value in differences(table, row).values())}."


@drawn_in(TEXT)
def spread_and_power(table: Table) -> Figure:
    """Draw both axes; where no spread is known, the left ones alone."""
    steps = ladder(table, lambda row: row.label != row.baseline and row.delta is not None)
    spreads = spread(steps.rows)
    found = {row.label: differences(table, row) for row in steps.rows}
    there = sorted({seed for points in found.values() for seed in points})
    rung = max(steps.rung, MARK * (len(there) + 0.2) if len(there) <= TOLD_APART else 0)
    height = rung * (steps.bottom + 1.4)
    figure = Figure(figsize=(PAGE, max(2.4, height + 0.95)))
    ratios = (1.25, 1) if spreads else (1,)
    left, *right = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    _points(left, steps, found, there, MARK / rung)
    left.set_xlabel(f"Δ {table.metric.label.removesuffix(' (%)')} at each seed (points)")
    if right:
        _power(right[0], steps.rows, spreads, table.comparisons)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=TOLD_APART, frameon=False, handletextpad=0.2)
    if right and height > TALL:
        right[0].set_box_aspect(1.2)
        right[0].set_anchor("N")
    return settled(figure)


def _points(
    axes: Axes, steps: Ladder, found: Mapping[str, Mapping[int, float]], there: Sequence[int], step: float
) -> None:
    """Draw the differences of the seeds that are there, each `step` below the one before, and each row's mean."""
    rungs(axes, steps)
    axes.set_xlim(limits([0.0, *(value for points in found.values() for value in points.values())], []))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    apart = len(there) <= TOLD_APART
    for place, seed in enumerate(there):
        look = mark(place if apart else 0)
        below = step * (place - (len(there) - 1) / 2) if apart else 0.0
        for group, rows in enumerate(steps.groups.values()):
            at = [row.label for row in rows if seed in found[row.label]]
            axes.plot(
                [found[label][seed] for label in at],
                [steps.places[label] + below for label in at],
                color=FAINT,
                linewidth=0.8,
                marker=look.marker,
                markersize=3.6,
                markerfacecolor=look.colour if apart else GREY,
                markeredgecolor=INK,
                markeredgewidth=0.5,
                label=f"seed {seed}" if apart and not group else f"_seed {seed}",
            )
    for row in steps.rows:
        assert row.delta is not None
        ends = [steps.places[row.label] - 0.34, steps.places[row.label] + 0.34]
        axes.plot([row.delta.mean] * 2, ends, color=INK, linewidth=2, label=f"_mean {row.label}", zorder=1.5)


def _power(axes: Axes, rows: list[Row], spreads: list[float], comparisons: int) -> None:
    at_hand = [row for row in rows if row.delta is not None and row.delta.sd > 0]
    there = sorted({row.delta.n for row in at_hand if row.delta})
    numbers = range(min(FEWEST, there[0]), max(MOST, there[-1] + 5) + 1)
    unit = {n: least_resolvable(1.0, n, comparisons=comparisons) for n in numbers}
    counts = list(unit)
    low, middle, high = ([sd * unit[n] for n in counts] for sd in (min(spreads), median(spreads), max(spreads)))
    axes.fill_between(counts, low, high, color=FAINT, linewidth=0, label="_band")
    axes.plot(counts, middle, color=BLUE, linewidth=1.4, label="_median")
    for row in at_hand:
        assert row.delta is not None
        least = least_resolvable(row.delta.sd, row.delta.n, comparisons=comparisons)
        axes.plot(
            [row.delta.n],
            [min(least, LARGEST)],
            "o" if least <= LARGEST else "^",
            color=INK,
            markerfacecolor="white",
            markersize=4,
            label=f"_at hand {row.label}",
        )
    for n in there:
        axes.axvline(n, color=INK, linewidth=0.7, linestyle=":", zorder=0)
    axes.set_title(f"at hand: n = {', '.join(map(str, there))}", fontsize=SMALL)
    axes.set_yscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(plain)
    top = max(high)
    if top > LARGEST > min(low):
        top = LARGEST
        axes.set_ylim(min(low) / 1.2, top * 1.2)
    span = math.log10(top / min(low))
    if span >= 1:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 3 else (1,)))
    axes.yaxis.set_minor_formatter(plain if span < 1 else NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("paired seeds n")
    axes.set_ylabel("least resolvable Δ (points)")
