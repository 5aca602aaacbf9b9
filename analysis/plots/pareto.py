"""Figures against size and cost: what more parameters or multiply-accumulates buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from analysis.formats.blocks import titled
from analysis.plots.drawn import INK, Absent, Drawn, count_range, drawn_in, number, settled
from analysis.plots.ladder import folded, within_panel
from analysis.plots.palette import FAINT, GREY, PAGE, SMALL, TEXT, Mark, mark
from analysis.table.build import Table
from analysis.table.model import Row

DIRECT: Final = 8
"""Rows up to which each has its label beside its point; more of them have numbers, and a key."""
SHORT: Final = 14
"""Characters of the longest label that still stands beside a point."""
LINE: Final = 34
"""Characters of the longest that stands in one line of the key."""
WIDE: Final = 8.0
"""Ratio of the greatest to the least cost from which the axis is logarithmic."""

DIRECTIONS: Final = (0, 180, 45, 315, 135, 225, 90, 270, 20, 340, 160, 200)
"""Where a name may stand as seen from its point, in degrees, the best first."""
REACHES: Final = (5.5, 11.0, 18.0, 26.0, 36.0, 48.0)
"""How far from its point a name may begin, in points of 1/72 inch."""

Cost = Literal["params", "macs"]
COSTS: Final[tuple[Cost, ...]] = ("params", "macs")


def pareto(table: Table) -> Drawn | Absent:
    """Draw each row's mean against its parameters and against its multiply-accumulates."""
    rows = shown(table)
    if not rows:
        return Absent("no row has a finished run yet")
    scale, unit = unit_of(rows, "macs")
    if len(rows) > 1 and len({(row.params, row.macs) for row in rows}) == 1:
        params, macs = number((rows[0].params or 0) / 1e6), number((rows[0].macs or 0) / scale)
        return Absent(
            f"all rows cost the same, {params} M params and {macs} {unit} MACs: there is no trade-off to show"
        )
    label = table.metric.label
    fronts = {cost: [row.label for front in fronts_of(table, cost) for row in front] for cost in COSTS}
    across = " of each panel, whose data differ" if "dataset" in table.within and len(table.baselines) > 1 else ""
    return Drawn(
        name="pareto",
        title=f"{titled(label)} against parameters and multiply-accumulates",
        figure=scatter(table),
        alt=f"{label} against parameters and multiply-accumulates (MACs) of one image. "
        + " ".join(
            f"{row.label}: {row.mean:.2f}{'' if math.isnan(row.sd) else f' ± {row.sd:.2f}'}, n = {row.n}, "
            f"{number((row.params or 0) / 1e6)} M params, {number((row.macs or 0) / scale)} {unit} MACs."
            for row in rows
        )
        + f" Front by params: {', '.join(fronts['params'])}. Front by MACs: {', '.join(fronts['macs'])}.",
        caption="A point is a row's mean over its n seeds, a bar ± one standard deviation of single runs; hollow "
        f"points are baselines. The dashed line is the Pareto front of the means{across}: no row that costs as little "
        f"is {'higher' if table.metric.higher_is_better else 'lower'}. It knows nothing of noise: rows whose bars "
        f"overlap may change places with other seeds. n = {count_range([row.n for row in rows])}.",
    )


def shown(table: Table) -> list[Row]:
    """Return the rows with a figure and both costs."""
    return [row for row in table.rows if row.n and row.params is not None and row.macs is not None]


def unit_of(rows: Sequence[Row], cost: Cost) -> tuple[float, str]:
    """Return the unit that this cost of the rows is given in, and its prefix."""
    return (1e9, "G") if cost == "macs" and max(row.macs or 0 for row in rows) >= 1e8 else (1e6, "M")


def fronts_of(table: Table, cost: Cost) -> list[list[Row]]:
    """Return the Pareto fronts, each from the least cost up: one, or one a panel where panels differ in their data."""
    rows = shown(table)
    parts = [rows]
    if "dataset" in table.within:
        parts = [[row for row in rows if row.baseline == baseline] for baseline in table.baselines]
    sign = -1 if table.metric.higher_is_better else 1
    found = []
    for part in parts:
        front: list[Row] = []
        for row in sorted(part, key=lambda row: (getattr(row, cost), sign * row.mean)):
            if not front or sign * row.mean < sign * front[-1].mean:
                front.append(row)
        found.append(front)
    return [front for front in found if front]


@drawn_in(TEXT)
def scatter(table: Table) -> Figure:
    """Draw both axes, with a label at each point or a number that the key below explains."""
    rows = shown(table)
    direct = len(rows) <= DIRECT and max(len(row.label) for row in rows) <= SHORT
    names = [row.label if direct else str(position) for position, row in enumerate(rows, 1)]
    panels = {baseline: mark(position) for position, baseline in enumerate(table.baselines)}
    texts = [row.label if row.label == row.baseline else within_panel(row) for row in rows]
    texts = [text if len(text) <= LINE else folded(text) for text in texts]
    lines = [text.split("\n") for text in texts]
    columns = max(1, min(4, int(112 / (8 + max(len(line) for text in lines for line in text)))))
    key = 0.0 if direct else 0.15 * -(-len(rows) // columns) * max(map(len, lines)) + 0.15
    figure = Figure(figsize=(PAGE, 2.6 + key))
    left, right = figure.subplots(1, 2, sharey=True)
    _points(left, table, "params", panels)
    _points(right, table, "macs", panels)
    left.set_ylabel(table.metric.label)
    if not direct:
        handles = [
            Line2D([], [], linestyle="", label=f"{name}  {text}", **_look(row, panels[row.baseline]))
            for name, text, row in zip(names, texts, rows, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, labelspacing=0.3)
    settled(figure)
    _names(left, rows, names, "params")
    _names(right, rows, names, "macs")
    return figure


def _look(row: Row, look: Mark) -> dict[str, Any]:
    face = "white" if row.label == row.baseline else look.colour
    return {"marker": look.marker, "color": INK, "markerfacecolor": face, "markersize": 5, "markeredgewidth": 0.9}


def _points(axes: Axes, table: Table, cost: Cost, panels: dict[str, Mark]) -> None:
    rows = shown(table)
    scale, unit = unit_of(rows, cost)
    for front in fronts_of(table, cost):
        xs = [getattr(row, cost) / scale for row in front]
        axes.plot(
            xs,
            [row.mean for row in front],
            color=GREY,
            linestyle=(0, (4, 2)),
            linewidth=1,
            drawstyle="steps-post",
            label="_front",
            zorder=1,
        )
    for row in rows:
        x = getattr(row, cost) / scale
        if row.sd > 0:
            ends = [row.mean - row.sd, row.mean + row.sd]
            axes.plot([x, x], ends, color=GREY, linewidth=0.9, label=f"_sd {row.label}", zorder=2)
        look = _look(row, panels[row.baseline])
        axes.plot([x], [row.mean], linestyle="", zorder=3, label=f"_mean {row.label}", **look)
    costs = [getattr(row, cost) for row in rows]
    if min(costs) > 0 and max(costs) / min(costs) > WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.14, y=0.08)
    axes.grid(color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{'parameters' if cost == 'params' else 'multiply-accumulates of one image'} ({unit})")


def _names(axes: Axes, rows: Sequence[Row], names: Sequence[str], cost: Cost) -> None:
    """Write each name near its point, joined to it where it is not next to it."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    point = figure.dpi / 72
    scale, _ = unit_of(rows, cost)
    points = [(getattr(row, cost) / scale, row.mean) for row in rows]
    spots = axes.transData.transform(points) / point
    taken = [Bbox([spot - 3.5, spot + 3.5]) for spot in spots]
    for (x, mean), sd in zip(points, [row.sd for row in rows], strict=True):
        if sd > 0:
            low, high = axes.transData.transform([(x, mean - sd), (x, mean + sd)]) / point
            taken.append(Bbox([low - 1, high + 1]))
    frame = Bbox(axes.get_window_extent().get_points() / point).padded(-2)
    for xy, spot, name in zip(points, spots, names, strict=True):
        size = np.array([TextPath((0, 0), name, size=SMALL).get_extents().width, 1.05 * SMALL])
        offset, joined = placed(spot, size, taken, frame)
        taken.append(Bbox([spot + offset - size / 2, spot + offset + size / 2]))
        axes.annotate(
            name,
            xy,
            (offset[0], offset[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},  # over the front's line
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5} if joined else None,
        )


def placed(
    spot: NDArray[np.float64], size: NDArray[np.float64], taken: Sequence[Bbox], frame: Bbox
) -> tuple[NDArray[np.float64], bool]:
    """Return where the middle of a name of that size stands as seen from its spot, and whether it needs a line there.

    That is the first place inside the frame which covers nothing that is taken; if there is none, the one that covers
    least. All lengths are in points of 1/72 inch.
    """
    best, fewest = (np.zeros(2), False), math.inf
    for reach in REACHES:
        for degrees in DIRECTIONS:
            turn = math.radians(degrees)
            offset = np.array([math.cos(turn), math.sin(turn)]) * (reach + size / 2)
            box = Bbox([spot + offset - size / 2, spot + offset + size / 2])
            inside = frame.contains(*box.min) and frame.contains(*box.max)
            covered = box.count_overlaps(taken) + (0 if inside else len(taken) + 1)
            if covered < fewest:
                best, fewest = (offset, reach > REACHES[0]), covered
    return best
