"""Published against measured: the paper's figure of each row beside what a run of ours may give."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.drawn import BLUE, INK, ORANGE, Absent, Drawn, drawn_in, settled
from analysis.plots.ladder import Ladder, beside, cut, ladder, limits, rungs
from analysis.plots.palette import PAGE, TEXT
from analysis.statistics.paired import prediction_interval
from analysis.table.build import Table
from analysis.table.model import Row

PAPER: Final[dict[str, Any]] = {
    "marker": "x",
    "color": INK,
    "markersize": 6,
    "markeredgewidth": 1.6,
    "linestyle": "",
    "zorder": 4,
}
"""The cross of a published figure."""
OURS: Final[dict[str, dict[str, Any]]] = {
    "reproduced": {"marker": "o", "color": BLUE, "markerfacecolor": BLUE},
    "not reproduced": {"marker": "s", "color": ORANGE, "markerfacecolor": ORANGE},
    "not resolved": {"marker": "o", "color": INK, "markerfacecolor": "white"},
}
"""What `Row.reproduced` says -> the mark of our mean."""


def published(table: Table) -> Drawn | Absent:
    """Draw each row that has a published figure; the prediction interval is that of `verdict.reproduced`."""
    rows = [row for row in table.rows if row.published is not None]
    if not rows:
        return Absent("the paper prints no figure for any of its rows, at this scale")
    if not any(row.n for row in rows):
        return Absent("no row with a published figure has a finished run yet")
    noun = table.metric.label.removesuffix(" (%)")
    figure, shortened = crosses(table)
    return Drawn(
        name="published",
        title=f"Published and measured {noun}",
        figure=figure,
        alt=f"The paper's {noun} of each row beside ours, mean and 95 % prediction interval of one more run, in "
        "percent. " + " ".join(_told(row) for row in rows),
        caption="Cross: the paper's figure, one run as far as is known. Round or square mark and line: the mean of our "
        "n runs and the 95 % prediction interval of one more. A cross outside the interval is not reproduced; one "
        "inside is reproduced where the interval is at most ± 1 point wide and n at least 3, else not resolved. One in "
        "twenty figures that do agree still falls outside."
        + (" An arrow marks an interval that goes on beyond the frame." if shortened else ""),
    )


def _told(row: Row) -> str:
    if not row.n:
        return f"{row.label}: published {row.published:.2f}, not run."
    low, high = prediction_interval(list(row.errors.values()))
    span = "" if row.n < 2 else f" [{low:.2f}, {high:.2f}]"
    return f"{row.label}: published {row.published:.2f}, ours {row.mean:.2f}{span}, n = {row.n}, {row.reproduced}."


@drawn_in(TEXT)
def crosses(table: Table) -> tuple[Figure, bool]:
    """Draw the rows; say besides whether an interval goes beyond the frame."""
    steps = ladder(table, lambda row: row.published is not None)
    shown = steps.rows
    figure = Figure(figsize=(PAGE, steps.height + 0.95))
    axes = figure.subplots()
    rungs(axes, steps)
    spans = {row.label: prediction_interval(list(row.errors.values())) for row in shown}
    points = [row.published for row in shown if row.published is not None] + [row.mean for row in shown if row.n]
    axes.set_xlim(limits(points, spans.values()))
    shortened = [_pair(axes, steps, row, spans[row.label]) for row in shown]
    texts = {steps.places[row.label]: f"{row.n}   {row.reproduced}" for row in shown}
    beside(axes, "n", texts)
    axes.set_xlabel(table.metric.label)
    there = {row.reproduced for row in shown}
    handles = [Line2D([], [], label="published", **PAPER)]
    handles += [
        Line2D([], [], linestyle="", markersize=5, label=f"ours: {name}", **options)
        for name, options in OURS.items()
        if name in there
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, handletextpad=0.2)
    return settled(figure), any(shortened)


def _pair(axes: Axes, steps: Ladder, row: Row, span: tuple[float, float]) -> bool:
    height = steps.places[row.label]
    assert row.published is not None
    axes.plot([row.published], [height], label=f"_published {row.label}", **PAPER)
    if not row.n:
        return False
    axes.plot([row.mean], [height], linestyle="", markersize=5, label=f"_mean {row.label}", **OURS[row.reproduced])
    if row.n < 2:
        return False
    axes.plot(span, [height, height], color=INK, linewidth=1.2, zorder=1, label=f"_interval {row.label}")
    return cut(axes, height, *span)
