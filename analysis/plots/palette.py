"""Marks that tell series apart: by lightness, by marker and by line style, never by hue alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from analysis.plots.drawn import BLUE, INK, ORANGE

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

DPI: Final = 200
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


def lightness(colour: str) -> float:
    """Return the lightness of an sRGB colour `#rrggbb`, from 0 (black) to 100 (white): L* of CIE 1976."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > (6 / 29) ** 3 else luminance * (29 / 3) ** 3


TEXT: Final[Any] = {
    "font.size": SMALL,
    "axes.titlesize": SMALL + 1,
    "axes.labelsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "figure.facecolor": "white",
    "text.color": INK,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}
"""matplotlib's settings for the figures of a study."""
