"""Forest plot: each row's difference to its baseline, with its interval and what may be concluded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.formats.columns import signed
from analysis.plots.drawn import BLUE, INK, ORANGE, Absent, Drawn, drawn_in, settled
from analysis.plots.ladder import Ladder, beside, cut, ladder, limits, rungs
from analysis.plots.palette import FAINT, TEXT
from analysis.statistics.paired import MOST, PairedDifference, possible
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """How a verdict is drawn, and what the legend calls it."""

    name: str
    marker: str
    colour: str
    filled: bool

    def options(self) -> dict[str, Any]:
        """Return it as matplotlib's arguments."""
        face = self.colour if self.filled else "white"
        return {
            "marker": self.marker,
            "color": self.colour,
            "markerfacecolor": face,
            "markersize": 5.5,
            "markeredgewidth": 1,
        }


def symbol(verdict: Verdict, *, higher_is_better: bool) -> Symbol:
    """Return the symbol of a verdict: a triangle points to where the difference lies; hollow is not (yet) settled."""
    word, settled = verdict.kind, verdict.settled
    name = word if settled else f"{word} so far" if verdict.so_far else f"{word} (some failed)"
    right = {"better": higher_is_better, "worse": not higher_is_better}
    if word in right:
        colour = BLUE if word == "better" else ORANGE
        return Symbol(name=name, marker=">" if right[word] else "<", colour=colour, filled=settled)
    if word in ("not resolved", "open"):
        return Symbol(name=name, marker="o", colour=INK, filled=False)
    if word == "equivalent":
        return Symbol(name=name, marker="s", colour=INK, filled=settled)
    if name == "changes nothing":
        return Symbol(name=name, marker="|", colour=INK, filled=True)
    return Symbol(name=name, marker="D", colour=INK, filled=True)


def effects(table: Table, margin: float | None = None) -> Drawn | Absent:
    """Draw the forest plot.

    Args:
        table: rows whose `delta` is drawn, in percentage points.
        margin: half-width in percentage points of the differences that the study takes for none; shaded.

    """
    rows = [row for row in table.rows if row.label != row.baseline]
    known = [row for row in rows if row.delta is not None]
    if not known:
        return Absent("no row has a finished run at a seed at which its baseline has one")
    noun = table.metric.label.removesuffix(" (%)")
    to = "its baseline (bold)" if len(table.baselines) > 1 else repr(table.baselines[0])
    figure, shortened = forest(table, margin)
    side = "Right" if table.metric.higher_is_better else "Left"
    return Drawn(
        name="effects",
        title=f"Differences in {noun}",
        figure=figure,
        alt=f"Forest plot of the difference in {noun} to the baseline, in percentage points with intervals. "
        + " ".join(_told(row) for row in rows),
        caption=f"Mean difference in {noun} to {to} at the same seed, in percentage points, with its {_kind(table)}. "
        f"{side} of the line at 0 is better. A filled triangle is "
        "a resolved difference, a hollow one a difference resolved without all wanted seeds, a circle is not "
        "resolved; n counts paired seeds."
        + ("" if margin is None else f" Shaded: differences of at most {margin:g} points, taken for none.")
        + (" An arrow marks an interval that goes on beyond the frame." if shortened else "")
        + (f" Intervals end at {MOST:g} points: no difference is larger." if any(map(_ended, known)) else ""),
    )


def _kind(table: Table) -> str:
    """Return what the intervals are."""
    count = f"{table.comparisons} comparison{'' if table.comparisons == 1 else 's'}"
    if table.stopping is not None:
        return f"repeated interval, which holds over {count} and all looks"
    return f"95 % t interval (not adjusted; the verdicts are, by Holm, for {count})"


def _ends(delta: PairedDifference) -> tuple[float, float]:
    """Return the ends of an interval as far as there can be a difference."""
    return possible(delta.low), possible(delta.high)


def _ended(row: Row) -> bool:
    return row.delta is not None and max(abs(row.delta.low), abs(row.delta.high)) > MOST


def _told(row: Row) -> str:
    if row.delta is None:
        return f"{row.label}: {row.verdict}."
    low, high = _ends(row.delta)
    span = "" if math.isnan(low) else f" [{signed(low)}, {signed(high)}]"
    return f"{row.label}: {signed(row.delta.mean)}{span}, n = {row.delta.n}, {row.verdict}."


@drawn_in(TEXT)
def forest(table: Table, margin: float | None) -> tuple[Figure, bool]:
    """Draw the rows; say besides whether an interval goes beyond the frame."""
    steps = ladder(table, lambda row: row.label != row.baseline)
    figure = Figure(figsize=(steps.width, steps.height + 1.05))
    axes = figure.subplots()
    rungs(axes, steps)
    shown = steps.rows
    deltas = [row.delta for row in shown if row.delta is not None]
    ends = (-margin, margin) if margin is not None else ()
    axes.set_xlim(limits([0.0, *ends, *(delta.mean for delta in deltas)], map(_ends, deltas)))
    if margin is not None:
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    better = table.metric.higher_is_better
    shortened = [_interval(axes, steps, row, higher_is_better=better) for row in shown]
    beside(axes, "n", {steps.places[row.label]: str(row.delta.n if row.delta else 0) for row in shown})
    noun = table.metric.label.removesuffix(" (%)")
    ways = "← worse    better →" if better else "← better    worse →"
    axes.set_xlabel(f"Δ {noun} (percentage points)\n{ways}")
    found = {one.name: one for row in shown if row.delta for one in [symbol(row.verdict, higher_is_better=better)]}
    handles = [Line2D([], [], linestyle="", label=name, **one.options()) for name, one in found.items()]
    columns = 2 if figure.get_figwidth() < 4 else 4
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, handletextpad=0.2)
    return settled(figure), any(shortened)


def _interval(axes: Axes, steps: Ladder, row: Row, *, higher_is_better: bool) -> bool:
    height = steps.places[row.label]
    if row.delta is None:
        said = "failed" if row.verdict.kind == "failed" else "no pair yet"
        axes.annotate(
            said, (0, height), (4, 0), textcoords="offset points", va="center", color="#5a5a5a", style="italic"
        )
        return False
    one = symbol(row.verdict, higher_is_better=higher_is_better)
    beyond = False
    if not math.isnan(row.delta.low):
        low, high = _ends(row.delta)
        axes.plot([low, high], [height, height], color=INK, linewidth=1.2, label=f"_interval {row.label}")
        beyond = cut(axes, height, low, high)
    axes.plot([row.delta.mean], [height], linestyle="", zorder=3, label=f"_mean {row.label}", **one.options())
    return beyond
