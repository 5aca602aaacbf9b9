"""A figure with what it says: readable in grey and with any colour vision, written without a display."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

SEQUENTIAL: Final = "cividis"
"""For what runs from none to all; its lightness rises throughout."""

DIVERGING: Final = "PuOr_r"
"""For what has a sign, centred at 0; dark at both ends, so signs are also marked."""

INK: Final = "#1a1a1a"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
"""Two colours of Okabe and Ito (2008), told apart with any colour vision and, by their lightness, in grey."""

DPI: Final = 110

STYLE: Final[Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "text.color": INK,
}


@dataclass(frozen=True)
class Drawn:
    """One figure.

    Attributes:
        name: of its file, without the suffix.
        title: a heading.
        png: the picture.
        alt: what it shows, for whoever does not see it, with its main numbers.
        caption: two sentences that say how to read it.

    """

    name: str
    title: str
    png: bytes
    alt: str
    caption: str


def sheet(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of `rows` x `columns` axes, each about `width` x `height` inches."""
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(row) for row in axes]


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def number(value: float | None) -> str:
    """Return a number with three significant digits and a true minus sign, `-` for none."""
    return "-" if value is None else f"{value:.3g}".replace("-", "−")


def span(low: float, high: float) -> str:
    """Return a range of values, as `−1.2 to 3.4`."""
    return f"{number(low)} to {number(high)}"
