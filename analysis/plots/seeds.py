"""Seeds and power: every paired difference, and the least difference that a number of seeds resolves."""

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter

from analysis.formats.columns import signed
from analysis.planning.resolvable import least_of, looks_of
from analysis.plots.ladder import Ladder, ladder, limits, rungs
from analysis.plots.plot import NoPlot, Picture, Plot, freeze_layout, noun, number
from analysis.plots.style import BLUE, FAINT, INK, PAGE, PAPER, SMALL, mark, styled
from analysis.statistics.paired import MOST
from analysis.statistics.power import least_resolvable
from analysis.table.build import Table
from analysis.table.model import Row

ABREAST: Final = 7
"""Seeds up to which no mark covers another, and seeds beside each other in the key."""
MARK: Final = 5.2 / 72
"""Height in inches that a mark takes, and so each of those seeds in a row."""
TALL: Final = 3.0
"""Height in inches of the rows from which the axes beside them stay lower."""


def seeds(table: Table) -> Plot | NoPlot:
    """Draw the differences seed by seed, and what n seeds resolve at the spreads seen so far."""
    rows = [row for row in table.rows if row.delta is not None and row.label != row.baseline]
    if not rows:
        return NoPlot("no row has a finished run at a seed at which its baseline has one")
    metric = noun(table.metric)
    spreads = spread(rows)
    rule = table.stopping
    counts = sorted({3, 5, 10, 20, *(row.delta.n for row in rows if row.delta and row.delta.n > 1)})
    power = "No row has two paired seeds yet, so nothing is known of its spread."
    if spreads:
        ones = {n: median(spreads) * one for n, one in resolvable(table, counts).items()}
        resolved = ", ".join(f"{n} seeds {number(one) if one <= MOST else 'nothing'}" for n, one in ones.items())
        power = f"At the median spread of {median(spreads):.2f} {table.metric.points} these differences are resolved: "
        power += f"by {resolved}."
    return Plot(
        name="seeds",
        title="Seeds and power",
        figure=differences_and_power(table, rows),
        alt=f"Differences in {metric} to the baseline at each seed, in {table.metric.difference}. "
        + " ".join(f"{row.label}: {', '.join(map(signed, differences(table, row).values()))}." for row in rows)
        + f" {power}",
        caption=f"Left: the difference in {metric} to the baseline at each seed, one seed below the other; a bar "
        "behind them is the row's mean. Right: the least mean difference that n paired seeds resolve with 80 % power "
        + ("at a family-wise level of 5 % (" if rule is None else f"at the limit of each look ({rule}, ")
        + f"{table.comparisons} comparison{'' if table.comparisons == 1 else 's'}, Bonferroni), for the median (line) "
        "and from the least to the greatest (band) of the standard deviations of "
        f"{len(spreads)} row{'' if len(spreads) == 1 else 's'}; a circle is a row at the n at hand, a triangle one "
        f"that resolves nothing there: no difference is larger than {MOST:g} {table.metric.points}.",
    )


def resolvable(table: Table, counts: Sequence[int]) -> dict[int, float]:
    """Return n -> the least mean difference that n seeds resolve, in sd of the paired differences.

    It is for each of the `counts`; by a stopping rule for its looks, since it asks at no other n.
    """
    if table.stopping is not None:
        return {look.n: look.resolves for look in looks_of(table.stopping, table.comparisons)}
    return {n: least_resolvable(1.0, n, comparisons=table.comparisons) for n in counts}


def differences(table: Table, row: Row) -> dict[int, float]:
    """Return seed -> the row's figure less its baseline's, in percentage points, for the seeds that its Δ is over."""
    base = next(other.errors for other in table.rows if other.label == row.baseline)
    both = sorted(set(row.errors) & set(base))
    return {seed: row.errors[seed] - base[seed] for seed in (both if row.interim is None else row.interim.looked)}


def spread(rows: list[Row]) -> list[float]:
    """Return the known standard deviations of paired differences that are above 0."""
    return [row.delta.sd for row in rows if row.delta is not None and row.delta.sd > 0]


@styled(PAPER)
def differences_and_power(table: Table, rows: list[Row]) -> Figure:
    """Draw both axes; where no spread is known, the left ones alone."""
    steps = ladder(table, rows)
    count = len({seed for row in rows for seed in differences(table, row)})
    rung = max(steps.rung, MARK * (min(count, ABREAST) + 0.2))
    height = rung * (steps.bottom + 1.4)
    figure = Picture(figsize=(PAGE, max(2.4, height + 0.8 + 0.15 * -(-count // ABREAST))))
    ratios = (1.25, 1) if spread(rows) else (1,)
    left, *right = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    _points(left, steps, table, MARK / rung * min(1, ABREAST / count))
    left.set_xlabel(f"Δ {noun(table.metric)} at each seed ({table.metric.points})")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=ABREAST, handletextpad=0.2)
    for axes in right:
        _power(axes, rows, table)
        if height > TALL:
            axes.set_box_aspect(1.2)
            axes.set_anchor("N")
    return freeze_layout(figure)


def _points(axes: Axes, steps: Ladder, table: Table, step: float) -> None:
    """Draw the differences at each seed, `step` below those of the seed before, and each row's mean."""
    points = {row.label: differences(table, row) for row in steps.rows}
    rungs(axes, steps)
    axes.set_xlim(limits([0.0, *(value for values in points.values() for value in values.values())], []))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    numbers = sorted({seed for values in points.values() for seed in values})
    for place, seed in enumerate(numbers):
        rows = [label for label, values in points.items() if seed in values]
        heights = [steps.heights[label] + step * (place - (len(numbers) - 1) / 2) for label in rows]
        look = mark(place) | {"linestyle": "", "markersize": 3.6, "label": f"seed {seed}"}
        axes.plot([points[label][seed] for label in rows], heights, **look)
    for row in steps.rows:
        assert row.delta is not None
        ends = [steps.heights[row.label] - 0.34, steps.heights[row.label] + 0.34]
        axes.plot([row.delta.mean] * 2, ends, color=INK, linewidth=2, label=f"_mean {row.label}", zorder=1.5)


def _power(axes: Axes, rows: list[Row], table: Table) -> None:
    known = {row.label: (row.delta.n, least_of(row, table)) for row in rows if row.delta and row.delta.sd > 0}
    at_hand = sorted({n for n, _ in known.values()})
    counts = list(range(min(3, at_hand[0]), max(20, at_hand[-1] + 5) + 1))
    unit = resolvable(table, counts)
    counts, spreads = list(unit), spread(rows)
    low, middle, high = ([sd * one for one in unit.values()] for sd in (min(spreads), median(spreads), max(spreads)))
    axes.fill_between(counts, low, high, color=FAINT, linewidth=0, label="_band")
    axes.plot(counts, middle, color=BLUE, linewidth=1.4, marker="|" if table.stopping else "", label="_median")
    for label, (n, one) in known.items():
        look: dict[str, Any] = {"color": INK, "markerfacecolor": "white", "markersize": 4, "label": f"_at hand {label}"}
        axes.plot([n], [min(one, MOST)], "o" if one <= MOST else "^", **look)
    for n in at_hand:
        axes.axvline(n, color=INK, linewidth=0.7, linestyle=":", zorder=0)
    axes.set_title(f"at hand: n = {', '.join(map(str, at_hand))}", fontsize=SMALL)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if max(high) > MOST > min(low):
        axes.set_ylim(min(low) / 1.2, MOST * 1.2)
    axes.xaxis.set_major_locator(FixedLocator(counts) if table.stopping else MaxNLocator(integer=True, nbins=6))
    axes.grid(axis="y")
    axes.set_xlabel("paired seeds n")
    axes.set_ylabel("least resolvable Δ (points)")
