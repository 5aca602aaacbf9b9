"""The rows of a table below each other, panel by panel: what plots with one line a row have in common."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Final

from matplotlib.axes import Axes
from matplotlib.markers import CARETLEFT, CARETRIGHT

from analysis.plots.drawn import INK
from analysis.plots.palette import COLUMN, FAINT, PAGE
from analysis.table.build import Table
from analysis.table.model import Row

LONGEST: Final = 24
"""Characters of a label before it is broken over two lines."""
NARROW: Final = 13
"""Characters of the longest label with which a ladder still fits into one column of a paper."""
RUNG: Final = 0.19
"""Height in inches of a row whose label is one line; each further line takes `LINE` more."""
LINE: Final = 0.11


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Where rows stand.

    Attributes:
        groups: heading -> the rows below it; a single heading is empty and is not drawn.
        places: the row's label -> its height on the axis, from 0 downwards.
        headings: heading -> its height.
        labels: the row's label -> what is printed for it.

    """

    groups: Mapping[str, tuple[Row, ...]]
    places: Mapping[str, float]
    headings: Mapping[str, float]
    labels: Mapping[str, str]

    @property
    def rows(self) -> list[Row]:
        """All rows, from the top."""
        return [row for group in self.groups.values() for row in group]

    @property
    def width(self) -> float:
        """The width in inches that the labels ask for: one column of a paper or two."""
        longest = max(len(line) for text in self.labels.values() for line in text.split("\n"))
        return COLUMN if longest <= NARROW and not self.headings else PAGE

    @property
    def rung(self) -> float:
        """The height in inches of one row."""
        return RUNG + LINE * max(text.count("\n") for text in self.labels.values())

    @property
    def height(self) -> float:
        """The height in inches of all rows."""
        return self.rung * (self.bottom + 1)

    @property
    def bottom(self) -> float:
        """The height on the axis of the last rung."""
        return max(self.places.values())


def ladder(table: Table, shown: Callable[[Row], bool]) -> Ladder:
    """Place the rows that are `shown` in the table's order, those of each panel below its baseline's name."""
    panels: dict[str, list[Row]] = {}
    for row in table.rows:
        if shown(row):
            panels.setdefault(row.baseline, []).append(row)
    several = len(table.baselines) > 1
    places: dict[str, float] = {}
    headings: dict[str, float] = {}
    labels: dict[str, str] = {}
    height = 0.0
    for baseline, rows in panels.items():
        if several:
            height += 0.4 if headings else 0.0
            headings[baseline] = height
            height += 1
        for row in rows:
            places[row.label] = height
            labels[row.label] = folded(within_panel(row) if several else row.label)
            height += 1
    groups = {baseline if several else "": tuple(rows) for baseline, rows in panels.items()}
    return Ladder(groups=groups, places=places, headings=headings, labels=labels)


def within_panel(row: Row) -> str:
    """Return a row's label without the baseline's name at its front, which stands above it."""
    if row.label == row.baseline:
        return "baseline"
    short = row.label.removeprefix(row.baseline).strip(" ,:")
    return short if row.label.startswith(row.baseline) and short else row.label


def folded(label: str) -> str:
    """Break a long label into at most three lines, at its spaces where it has some."""
    return "\n".join(textwrap.wrap(brief(label, 3 * LONGEST - 4), LONGEST)[:3]) or label


def brief(label: str, most: int = 2 * LONGEST) -> str:
    """Return a label of at most `most` characters: of a longer one how it begins and ends."""
    front = (most - 3) // 2
    return label if len(label) <= most else f"{label[:front].rstrip()} … {label[front + 3 - most :].lstrip()}"


def rungs(axes: Axes, steps: Ladder, *, named: bool = True) -> None:
    """Draw a faint line for each row, and its label where it is `named`; the first row stands at the top."""
    axes.set_ylim(steps.bottom + 0.7, -0.7)
    for height in steps.places.values():
        axes.axhline(height, color=FAINT, linewidth=0.5, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if not named:
        axes.set_yticks([])
        return
    texts = {height: name for name, height in steps.headings.items()} | {
        height: steps.labels[label] for label, height in steps.places.items()
    }
    axes.set_yticks(sorted(texts), [texts[height] for height in sorted(texts)])
    for tick, height in zip(axes.get_yticklabels(), sorted(texts), strict=True):
        if height in steps.headings.values():
            tick.set_fontweight("bold")


def beside(axes: Axes, heading: str, texts: Mapping[float, str]) -> None:
    """Write a column of texts to the right of the axes: height -> text."""
    transform = axes.get_yaxis_transform()
    axes.text(1.03, -0.85, heading, transform=transform, va="bottom", ha="left", weight="bold")
    for height, text in texts.items():
        axes.text(1.03, height, text, transform=transform, va="center", ha="left")


def limits(points: Sequence[float], spans: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return the ends of an axis that shows all points, and all intervals but those much wider than the others.

    An interval of two seeds is seven times as wide as one of five with the same spread, and leaves no room for it.
    """
    known = [(low, high) for low, high in spans if isfinite(low) and isfinite(high)]
    least, most = min(points), max(points)
    if known:
        slack = max(2.5 * median((high - low) / 2 for low, high in known), 0.75 * (most - least))
        least = min(least, max(min(low for low, _ in known), least - slack))
        most = max(most, min(max(high for _, high in known), most + slack))
    margin = 0.06 * (most - least) or 0.5
    return least - margin, most + margin


def cut(axes: Axes, height: float, low: float, high: float) -> bool:
    """Mark with an arrow, its tip at the edge, where an interval goes on beyond the frame; say whether it does."""
    left, right = axes.get_xlim()
    for beyond, edge, marker in ((low < left, left, CARETLEFT), (high > right, right, CARETRIGHT)):
        if beyond:
            axes.plot([edge], [height], marker=marker, color=INK, markersize=5, clip_on=False, label="_cut")
    return low < left or high > right
