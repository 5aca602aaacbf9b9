"""Figures against size and cost: what more parameters or multiply-accumulates buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.formats.blocks import titled
from analysis.plots.drawn import INK, Absent, Drawn, drawn_in, number, settled, count_range
from analysis.plots.ladder import canvas, folded, within_panel
from analysis.plots.palette import FAINT, GREY, PAGE, SMALL, TEXT, Mark, mark
from analysis.plots.placing import around, columns, place
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

FAR: Final = SMALL
"""Points of 1/72 inch between a point and its name from which a line joins them."""

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
    figure = canvas(2.6 + key, PAGE)
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
    _names(left, rows, names)
    _names(right, rows, names)
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


def _names(axes: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Write each name where it covers no point, no bar and no other name, as far as there is room."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    points = 72 / figure.dpi

    def drawn(line: Line2D) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in line.get_transform().transform(line.get_xydata()) * points]

    lines = {str(line.get_label()): line for line in axes.get_lines()}
    anchors = [drawn(lines[f"_mean {row.label}"])[0] for row in rows]
    taken = [around(spot, spot, 3.5) for spot in anchors]
    for line in axes.get_lines():
        corners = drawn(line)
        if line.get_drawstyle() == "steps-post":
            corners = [spot for (x, y), (then, _) in pairwise(corners) for spot in ((x, y), (then, y))] + corners[-1:]
        taken += [around(a, b, 1.0) for a, b in pairwise(corners)]
    left, bottom, right, top = (float(edge) * points for edge in axes.get_window_extent().extents)
    inside = around((left, bottom), (right, top), -2.0)  # clear of the axes' own lines
    xs = {row.label: float(np.asarray(lines[f"_mean {row.label}"].get_xdata())[0]) for row in rows}
    sizes = [(float(TextPath((0, 0), name, size=SMALL).get_extents().width), SMALL * 1.05) for name in names]
    offsets = columns(anchors, sizes, inside)
    for at, (x, y) in offsets.items():
        middle = (anchors[at][0] + x, anchors[at][1] + y)
        taken += [around(middle, middle, sizes[at][1] / 2), around(anchors[at], middle, 0.5)]
    rest = [at for at in range(len(rows)) if at not in offsets]
    found = place([anchors[at] for at in rest], [sizes[at] for at in rest], taken, inside)
    offsets |= dict(zip(rest, found, strict=True))
    for at, (row, name, size) in enumerate(zip(rows, names, sizes, strict=True)):
        offset = offsets[at]
        leader: dict[str, Any] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5}
        if at not in rest:  # from the edge that faces the point, past no other name
            leader |= {"relpos": (0.0 if offset[0] > 0 else 1.0, 0.5), "patchA": None, "shrinkA": 1.0}
        gap = math.hypot(*(max(0.0, abs(way) - side / 2) for way, side in zip(offset, size, strict=True)))
        axes.annotate(
            name,
            (xs[row.label], row.mean),
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=SMALL,
            arrowprops=leader if gap > FAR else None,
        )
