"""Published against measured: the paper's figure of each row beside what a run of ours may give."""

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.plots.ladder import Ladder, column, interval, ladder, limits, rungs
from analysis.plots.plot import NoPlot, Picture, Plot, freeze_layout, legend_below, noun
from analysis.plots.style import BLUE, INK, ORANGE, PAGE, PAPER, styled
from analysis.statistics.paired import prediction_interval
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.published import LEAST, WIDEST

PUBLISHED: Final[dict[str, Any]] = {
    "marker": "x",
    "color": INK,
    "markersize": 6,
    "markeredgewidth": 1.6,
    "linestyle": "",
    "zorder": 4,
}
"""The cross of a published figure."""
OURS: Final[dict[str, dict[str, Any]]] = {
    "compatible": {"marker": "o", "color": BLUE, "markerfacecolor": BLUE},
    "not compatible": {"marker": "s", "color": ORANGE, "markerfacecolor": ORANGE},
    "cannot tell": {"marker": "o", "color": INK, "markerfacecolor": "white"},
    "too few seeds": {"marker": "o", "color": INK, "markerfacecolor": "white"},
}
"""What `Row.compatible` says -> the mark of our mean."""


def published(table: Table) -> Plot | NoPlot:
    """Draw each row that has a published figure; its prediction interval decides `Row.compatible`."""
    rows = [row for row in table.rows if row.published is not None]
    if not rows:
        return NoPlot("the paper prints no figure for any of its rows, at this scale")
    if not any(row.n for row in rows):
        return NoPlot("no row with a published figure has a finished run yet")
    metric = noun(table.metric)
    return Plot(
        name="published",
        title=f"Published and measured {metric}",
        figure=crosses(table, rows),
        alt=f"The paper's {metric} of each row beside ours, mean and 95 % prediction interval of one more run, in "
        "percent. " + " ".join(map(_summary, rows)),
        caption="Cross: the paper's figure, one run as far as is known. Round or square mark and line: the mean of our "
        "n runs and the 95 % prediction interval of one more. A cross outside the interval is not compatible; "
        f"one inside is compatible where the interval is at most ± {WIDEST:g} point and n at least {LEAST}. One in "
        "twenty figures that do agree still falls outside. An arrow marks an interval that goes on beyond the frame.",
    )


def _prediction(row: Row) -> tuple[float, float]:
    return prediction_interval(list(row.errors.values()))


def _summary(row: Row) -> str:
    if not row.n:
        return f"{row.label}: published {row.published:.2f}, not run."
    low, high = _prediction(row)
    ends = "" if row.n < 2 else f" [{low:.2f}, {high:.2f}]"
    return f"{row.label}: published {row.published:.2f}, ours {row.mean:.2f}{ends}, n = {row.n}, {row.compatible}."


@styled(PAPER)
def crosses(table: Table, rows: list[Row]) -> Figure:
    """Draw the rows."""
    steps = ladder(table, rows)
    figure = Picture(figsize=(PAGE, steps.inches + 0.95))
    axes = figure.subplots()
    rungs(axes, steps)
    points = [row.published for row in rows if row.published is not None] + [row.mean for row in rows if row.n]
    axes.set_xlim(limits(points, map(_prediction, rows)))
    for row in rows:
        _pair(axes, steps, row)
    column(axes, "n", {steps.heights[row.label]: f"{row.n}   {row.compatible}" for row in rows})
    axes.set_xlabel(table.metric.label)
    verdicts = {row.compatible for row in rows}
    ours = {f"ours: {name}": look for name, look in OURS.items() if name in verdicts}
    handles = [Line2D([], [], linestyle="", markersize=5, label=name, **look) for name, look in ours.items()]
    legend_below(figure, [Line2D([], [], label="published", **PUBLISHED), *handles])
    return freeze_layout(figure)


def _pair(axes: Axes, steps: Ladder, row: Row) -> None:
    height = steps.heights[row.label]
    assert row.published is not None
    axes.plot([row.published], [height], label=f"_published {row.label}", **PUBLISHED)
    if row.n:
        axes.plot([row.mean], [height], linestyle="", markersize=5, label=f"_mean {row.label}", **OURS[row.compatible])
    if row.n > 1:
        interval(axes, height, *_prediction(row), row.label)
