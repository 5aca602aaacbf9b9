"""Figures against size and cost: what more parameters or multiply-accumulates buy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis.formats.blocks import titled
from analysis.plots.ladder import folded, within_panel
from analysis.plots.plot import NoPlot, Picture, Plot, count_range, freeze_layout, legend_below, number
from analysis.plots.style import GREY, PAGE, PAPER, mark, styled
from analysis.table.build import Table
from analysis.table.model import Row

WIDE: Final = 8.0
"""Ratio of the greatest to the least cost from which the axis is logarithmic."""

LINE: Final = 34
"""Characters of the longest label that stands in one line of the key."""

Cost = Literal["params", "macs"]
COSTS: Final[tuple[Cost, ...]] = ("params", "macs")


def pareto(table: Table) -> Plot | NoPlot:
    """Draw each row's mean against its parameters and against its multiply-accumulates."""
    rows = with_costs(table)
    if not rows:
        return NoPlot("no row has a finished run yet")
    scale, unit = unit_of(rows, "macs")
    costs = {
        row.label: f"{number((row.params or 0) / 1e6)} M params, {number((row.macs or 0) / scale)} {unit} MACs"
        for row in rows
    }
    if len(rows) > 1 and len({(row.params, row.macs) for row in rows}) == 1:
        return NoPlot(f"all rows cost the same, {costs[rows[0].label]}: there is no trade-off to show")
    label = table.metric.label
    params, macs = (", ".join(row.label for front in fronts_of(table, cost) for row in front) for cost in COSTS)
    one = all(len(front) == 1 for cost in COSTS for front in fronts_of(table, cost))
    line = "On the Pareto front" if one else "The dashed line is the Pareto front"
    across = " of each panel, whose data differ" if "dataset" in table.within and len(table.baselines) > 1 else ""
    return Plot(
        name="pareto",
        title=f"{titled(label)} against parameters and multiply-accumulates",
        figure=scatter(table),
        alt=f"{label} against parameters and multiply-accumulates (MACs) of one image. "
        + " ".join(
            f"{row.label}: {row.mean:.2f}{'' if math.isnan(row.sd) else f' ± {row.sd:.2f}'}, n = {row.n}, "
            f"{costs[row.label]}."
            for row in rows
        )
        + f" Front by params: {params}. Front by MACs: {macs}.",
        caption="A point is a row's mean over its n seeds, a bar ± one standard deviation of single runs; hollow "
        f"points are baselines. {line} of the means{across}{' stands one row' if one else ''}: no row that costs as "
        f"little is {'higher' if table.metric.higher_is_better else 'lower'}. It knows nothing of noise: rows whose "
        f"bars overlap may change places with other seeds. n = {count_range([row.n for row in rows])}.",
    )


def with_costs(table: Table) -> list[Row]:
    """Return the rows with a figure and both costs."""
    return [row for row in table.rows if row.n and row.params is not None and row.macs is not None]


def unit_of(rows: Sequence[Row], cost: Cost) -> tuple[float, str]:
    """Return the unit that this cost of the rows is given in, and its prefix."""
    return (1e9, "G") if cost == "macs" and max(row.macs or 0 for row in rows) >= 1e8 else (1e6, "M")


def fronts_of(table: Table, cost: Cost) -> list[list[Row]]:
    """Return the Pareto fronts, each from the least cost up: one, or one a panel where panels differ in their data."""
    rows = with_costs(table)
    panels = [rows]
    if "dataset" in table.within:
        panels = [[row for row in rows if row.baseline == baseline] for baseline in table.baselines]
    sign = -1 if table.metric.higher_is_better else 1
    fronts = []
    for panel in panels:
        front: list[Row] = []
        for row in sorted(panel, key=lambda row: (getattr(row, cost), sign * row.mean)):
            if not front or sign * row.mean < sign * front[-1].mean:
                front.append(row)
        fronts.append(front)
    return [front for front in fronts if front]


@styled(PAPER)
def scatter(table: Table) -> Figure:
    """Draw both axes over a key of the rows."""
    rows = with_costs(table)
    texts = [row.label if row.label == row.baseline else within_panel(row) for row in rows]
    texts = [text if len(text) <= LINE else folded(text) for text in texts]
    columns = max(1, 112 // (8 + max(len(line) for text in texts for line in text.split("\n"))))
    key = 0.15 * -(-len(rows) // columns) * max(text.count("\n") + 1 for text in texts)
    points = [mark(place) | {"linestyle": "", "markersize": 5} for place in range(len(rows))]
    hollow = {"markerfacecolor": "white"}
    looks = {r.label: point | (hollow if r.label == r.baseline else {}) for r, point in zip(rows, points, strict=True)}
    figure = Picture(figsize=(PAGE, 2.75 + key))
    left, right = figure.subplots(1, 2, sharey=True)
    _points(left, table, "params", looks)
    _points(right, table, "macs", looks)
    left.set_ylabel(table.metric.label)
    handles = [Line2D([], [], label=text, **looks[row.label]) for text, row in zip(texts, rows, strict=True)]
    legend_below(figure, handles, columns)
    return freeze_layout(figure)


def _points(axes: Axes, table: Table, cost: Cost, looks: Mapping[str, dict[str, Any]]) -> None:
    rows = with_costs(table)
    scale, unit = unit_of(rows, cost)
    for front in fronts_of(table, cost):
        line = axes.plot([getattr(row, cost) / scale for row in front], [row.mean for row in front], label="_front")[0]
        line.set(linestyle=(0, (4, 2)), drawstyle="steps-post", color=GREY, zorder=1)
    for row in rows:
        x = getattr(row, cost) / scale
        if row.sd > 0:
            ends = [row.mean - row.sd, row.mean + row.sd]
            axes.plot([x, x], ends, color=GREY, linewidth=0.9, label=f"_sd {row.label}", zorder=2)
        axes.plot([x], [row.mean], zorder=3, label=f"_mean {row.label}", **looks[row.label])
    costs = [getattr(row, cost) for row in rows]
    if min(costs) > 0 and max(costs) / min(costs) > WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.set_xlabel(f"{'parameters' if cost == 'params' else 'multiply-accumulates of one image'} ({unit})")
