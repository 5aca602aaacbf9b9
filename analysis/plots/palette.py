"""Marks that tell series apart: by lightness, by marker and by line style, never by hue alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from analysis.plots.drawn import BLUE, INK, ORANGE, STYLE

BLACK: Final = "#000000"
AMBER: Final = "#e69f00"
SKY: Final = "#56b4e9"
GREY: Final = "#8a8a8a"
FAINT: Final = "#d9d9d9"

COLOURS: Final = (BLACK, AMBER, BLUE, SKY, ORANGE)
"""Colours of Okabe and Ito (2008), in an order in which neighbours differ by at least 15 in lightness (CIE L*)."""

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LINES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
"""Solid, dashed, dotted, dash-dotted."""

COLUMN: Final = 3.3
PAGE: Final = 6.8
"""Widths in inches of one and of two columns of a paper."""

SMALL: Final = 7.0
"""Size in points of all text but headings: what a paper still prints legibly."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How one series is drawn; no two of the first 140 look alike even without colour."""

    colour: str
    marker: str
    line: Any


def mark(place: int) -> Mark:
    """Return the mark of the series at `place`; its neighbours differ in lightness, marker and line style."""
    return Mark(
        colour=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        line=LINES[place % len(LINES)],
    )


TEXT: Final[Any] = STYLE | {
    "figure.dpi": 200,
    "font.size": SMALL,
    "axes.titlesize": SMALL + 1,
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}
"""matplotlib's settings for the figures of a study."""
