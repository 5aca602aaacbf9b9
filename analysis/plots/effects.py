"""Forest plot: each row's difference to its baseline, with its interval and what may be concluded."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.formats.columns import signed
from analysis.plots.ladder import Ladder, column, interval, ladder, limits, rungs
from analysis.plots.plot import NoPlot, Picture, Plot, freeze_layout, legend_below, noun
from analysis.plots.style import BLUE, FAINT, GREY, INK, ORANGE, PAGE, PAPER, styled
from analysis.statistics.paired import PairedDifference, possible
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import Verdict


def symbol(verdict: Verdict, *, higher_is_better: bool) -> dict[str, Any]:
    """Return a verdict's mark: a triangle points to where the difference lies; hollow is not (yet) settled."""
    kind, settled = verdict.kind, verdict.settled
    right = ">" if (kind == "better") == higher_is_better else "<"
    marker, colour, filled = {
        "better": (right, BLUE, settled),
        "worse": (right, ORANGE, settled),
        "no clear difference": ("o", INK, False),
        "too few seeds": ("o", INK, False),
        "open": ("o", INK, False),
        "ended": ("o", INK, False),
        "equivalent": ("s", INK, settled),
        "changes nothing": ("|" if settled else "D", INK, True),
    }.get(kind, ("D", INK, True))
    return {
        "label": kind if settled else f"{kind} so far" if verdict.so_far else f"{kind} (some failed)",
        "linestyle": "",
        "marker": marker,
        "color": colour,
        "markerfacecolor": colour if filled else "white",
        "markersize": 5.5,
        "markeredgewidth": 1,
    }


def effects(table: Table, margin: float | None = None) -> Plot | NoPlot:
    """Draw each row's `delta`; differences within `margin` (percentage points), taken for none, are shaded."""
    rows = [row for row in table.rows if row.label != row.baseline]
    if all(row.delta is None for row in rows):
        return NoPlot("no row has a finished run at a seed at which its baseline has one")
    metric = noun(table.metric)
    baseline = "its baseline (bold)" if len(table.baselines) > 1 else repr(table.baselines[0])
    several = table.comparisons > 1
    intervals = "95 % interval"
    if table.stopping is not None:
        over = f"{table.comparisons} comparisons and " if several else ""
        intervals = f"repeated interval, which holds over {over}all looks"
    elif several:
        intervals += f", which holds together with the others over {table.comparisons} comparisons"
    return Plot(
        name="effects",
        title=f"Differences in {metric}",
        figure=forest(table, rows, margin),
        alt=f"Forest plot of the difference in {metric} to the baseline, in {table.metric.difference} with intervals. "
        + " ".join(map(_summary, rows)),
        caption=f"Mean difference in {metric} to {baseline} at the same seed, in {table.metric.difference}, with its "
        f"{intervals}. {'Right' if table.metric.higher_is_better else 'Left'} of the line at 0 is better. A filled "
        "triangle is better or worse, a hollow one is so without all wanted seeds, a circle is no clear difference; n "
        "counts paired seeds. An arrow marks an interval that goes on beyond the frame."
        + (
            ""
            if margin is None
            else f" Shaded: differences of at most {margin:g} {table.metric.points}, taken for none."
        ),
    )


def _ends(delta: PairedDifference) -> tuple[float, float]:
    """Return the ends of an interval as far as there can be a difference."""
    return possible(delta.low), possible(delta.high)


def _summary(row: Row) -> str:
    if row.delta is None:
        return f"{row.label}: {row.verdict}."
    low, high = _ends(row.delta)
    ends = "" if math.isnan(low) else f" [{signed(low)}, {signed(high)}]"
    return f"{row.label}: {signed(row.delta.mean)}{ends}, n = {row.delta.n}, {row.verdict}."


@styled(PAPER)
def forest(table: Table, rows: list[Row], margin: float | None) -> Figure:
    """Draw the rows."""
    steps = ladder(table, rows)
    figure = Picture(figsize=(PAGE, steps.inches + 1.05))
    axes = figure.subplots()
    rungs(axes, steps)
    deltas = [row.delta for row in rows if row.delta is not None]
    ends = () if margin is None else (-margin, margin)
    axes.set_xlim(limits([0.0, *ends, *(delta.mean for delta in deltas)], map(_ends, deltas)))
    if margin is not None:
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    higher = table.metric.higher_is_better
    looks = {row.label: symbol(row.verdict, higher_is_better=higher) for row in rows}
    for row in rows:
        _difference(axes, steps, row, looks[row.label])
    column(axes, "n", {steps.heights[row.label]: str(row.delta.n if row.delta else 0) for row in rows})
    ways = "← worse\u2003\u2003better →" if higher else "← better\u2003\u2003worse →"
    axes.set_xlabel(f"Δ {noun(table.metric)} ({table.metric.difference})\n{ways}")
    key = {look["label"]: look for row in rows if row.delta for look in [looks[row.label]]}
    legend_below(figure, [Line2D([], [], **look) for look in key.values()])
    return freeze_layout(figure)


def _difference(axes: Axes, steps: Ladder, row: Row, look: dict[str, Any]) -> None:
    height = steps.heights[row.label]
    if row.delta is None:
        text = "failed" if row.verdict.kind == "failed" else "no pair yet"
        axes.annotate(text, (0, height), (4, 0), textcoords="offset points", va="center", color=GREY, style="italic")
        return
    if not math.isnan(row.delta.low):
        interval(axes, height, *_ends(row.delta), row.label)
    axes.plot([row.delta.mean], [height], zorder=3, **look | {"label": f"_mean {row.label}"})
