"""How figures look: series differ in lightness, marker and line style, never in hue alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from matplotlib import style

SEQUENTIAL: Final = "cividis"
"""For what runs from none to all; its lightness rises throughout."""
DIVERGING: Final = "PuOr_r"
"""For what has a sign, centred at 0; dark at both ends, so signs are also marked."""

INK: Final = "#1a1a1a"
BLACK: Final = "#000000"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
AMBER: Final = "#e69f00"
SKY: Final = "#56b4e9"
GREY: Final = "#757575"
FAINT: Final = "#d9d9d9"

WHITE: Final = "#ffffff"

COLOURS: Final = (BLACK, AMBER, BLUE, SKY, ORANGE)
"""Colours of Okabe and Ito (2008), in an order in which neighbours differ by at least 15 in lightness (CIE L*)."""
DARK: Final = {
    WHITE: "#16181b",
    INK: "#e8e8e8",
    BLACK: "#ffffff",
    BLUE: "#3d96d9",
    ORANGE: "#e8692a",
    AMBER: "#ffc04d",
    SKY: "#7cc8f5",
    GREY: "#a0a4a9",
    FAINT: "#44474c",
}
"""Each colour -> what stands for it on a dark page, whose ground is `--paper` of `html/page.html.j2`.

Neighbours of `COLOURS` differ as they do on white.
"""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LINES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
"""Solid, dashed, dotted, dash-dotted."""

COLUMN: Final = 3.3
PAGE: Final = 6.8
"""Widths in inches of one and of two columns of a paper."""
SMALL: Final = 7.0
"""Size in points of all text but headings: what a paper still prints legibly."""

COLUMNS: Final = 3
"""Axes of an inspection beside each other, at most."""

STYLE: Final[Any] = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "text.color": INK,
}
"""matplotlib's settings for the figures of an inspection."""
PAPER: Final[Any] = STYLE | {
    "figure.dpi": 200,
    "font.size": SMALL,
    "axes.titlesize": SMALL + 1,
    "axes.labelsize": SMALL,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.fontsize": SMALL,
    "text.parse_math": False,
    "xtick.labelsize": SMALL,
    "xtick.major.width": 0.7,
    "ytick.labelsize": SMALL,
    "ytick.major.width": 0.7,
}
"""matplotlib's settings for the figures of a study."""


@contextmanager
def styled(settings: Mapping[str, Any]) -> Iterator[None]:
    """Set matplotlib's defaults and these settings in a block or a decorated function: no `matplotlibrc` counts."""
    with style.context(["default", dict(settings)]):
        yield


def mark(place: int) -> dict[str, Any]:
    """Return the line and marker of the series at `place`; no two of the first 140 look alike even without colour."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
        "markeredgecolor": INK,
        "markeredgewidth": 0.5,
    }
