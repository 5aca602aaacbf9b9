"""The rows of a table below each other, panel by panel: what plots with one line a row have in common."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Final

from matplotlib.axes import Axes
from matplotlib.markers import CARETLEFT, CARETRIGHT

from analysis.plots.style import FAINT, INK
from analysis.table.build import Table
from analysis.table.model import Row

LONGEST: Final = 24
"""Characters of a label before it is broken over two lines."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Rows from the top down: label -> its height on the axis (from 0) and its text; `headings` are baselines."""

    rows: list[Row]
    heights: Mapping[str, float]
    headings: Mapping[str, float]
    labels: Mapping[str, str]

    @property
    def rung(self) -> float:
        """The height in inches of one row."""
        return 0.19 + 0.11 * max(text.count("\n") for text in self.labels.values())

    @property
    def bottom(self) -> float:
        """The height on the axis of the last row."""
        return max(self.heights.values())

    @property
    def inches(self) -> float:
        """The height in inches of all rows."""
        return self.rung * (self.bottom + 1)


def ladder(table: Table, rows: Sequence[Row]) -> Ladder:
    """Place these rows of the table, those of each panel below its baseline's name."""
    several = len(table.baselines) > 1
    ordered = [row for baseline in table.baselines for row in rows if row.baseline == baseline]
    heights, headings, height = dict[str, float](), dict[str, float](), 0.0
    for row in ordered:
        if several and row.baseline not in headings:
            headings[row.baseline] = height + (0.4 if headings else 0.0)
            height = headings[row.baseline] + 1
        heights[row.label] = height
        height += 1
    labels = {row.label: folded(within_panel(row) if several else row.label) for row in ordered}
    return Ladder(rows=ordered, heights=heights, headings=headings, labels=labels)


def within_panel(row: Row) -> str:
    """Return a row's label without the baseline's name at its front, which stands above it."""
    if row.label == row.baseline:
        return "baseline"
    short = row.label.removeprefix(row.baseline).strip(" ,:")
    return short if row.label.startswith(row.baseline) and short else row.label


def folded(label: str, most: int = 3 * LONGEST - 4) -> str:
    """Break a label into lines, at its spaces where it has some; of one of over `most` characters show both ends."""
    front = (most - 3) // 2
    brief = label if len(label) <= most else f"{label[:front].rstrip()} … {label[front + 3 - most :].lstrip()}"
    return "\n".join(textwrap.wrap(brief, LONGEST)[:3]) or label


def rungs(axes: Axes, steps: Ladder) -> None:
    """Draw a faint line and a label for each row; the first row stands at the top."""
    axes.set_ylim(steps.bottom + 0.7, -0.7)
    for height in steps.heights.values():
        axes.axhline(height, color=FAINT, linewidth=0.5, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(
        [*steps.headings.values(), *steps.heights.values()],
        [*steps.headings, *(steps.labels[label] for label in steps.heights)],
    )
    for tick in axes.get_yticklabels()[: len(steps.headings)]:
        tick.set_fontweight("bold")


def column(axes: Axes, heading: str, texts: Mapping[float, str]) -> None:
    """Write a column of texts to the right of the axes: height -> text."""
    transform = axes.get_yaxis_transform()
    axes.text(1.03, -0.85, heading, transform=transform, va="bottom", ha="left", weight="bold")
    for height, text in texts.items():
        axes.text(1.03, height, text, transform=transform, va="center", ha="left")


def limits(points: Sequence[float], spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return the ends of an axis that shows all points, and all intervals but those much wider than the others."""
    intervals = [(low, high) for low, high in spans if isfinite(low) and isfinite(high)]
    least, most = min(points), max(points)
    if intervals:
        slack = max(2.5 * median((high - low) / 2 for low, high in intervals), 0.75 * (most - least))
        least = min(least, max(min(low for low, _ in intervals), least - slack))
        most = max(most, min(max(high for _, high in intervals), most + slack))
    margin = 0.06 * (most - least) or 0.5
    return least - margin, most + margin


def interval(axes: Axes, height: float, low: float, high: float, label: str) -> None:
    """Draw a row's interval; an arrow, its tip at the edge, marks where it goes on beyond the frame."""
    axes.plot([low, high], [height, height], color=INK, linewidth=1.2, zorder=1, label=f"_interval {label}")
    left, right = axes.get_xlim()
    for beyond, edge, marker in ((low < left, left, CARETLEFT), (high > right, right, CARETRIGHT)):
        if beyond:
            axes.plot([edge], [height], marker=marker, color=INK, markersize=5, clip_on=False, label="_arrow")
