"""A figure with what it says: readable in grey and with any colour vision, written without a display."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from matplotlib import style
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

STYLE: Final[Any] = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "text.color": INK,
}
"""matplotlib's settings for the figures of an inspection."""


@contextmanager
def drawn_in(look: Mapping[str, Any]) -> Iterator[None]:
    """Draw so, and else as matplotlib comes, in a block or a decorated function: no `matplotlibrc` counts."""
    with style.context(["default", dict(look)]):
        yield


Form = Literal["png", "svg", "pdf"]
"""What a figure can be had as."""

_DROPPED: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
}
"""What a file would say of when and with what it was made."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One figure.

    Attributes:
        name: of its file, without the suffix.
        title: a heading.
        figure: the picture, as matplotlib has it; its own dpi is a PNG's.
        alt: what it shows, for whoever does not see it, with its main numbers.
        caption: two sentences that say how to read it.

    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str

    @property
    def told(self) -> dict[str, str]:
        """All that it says in words: `name`, `title`, `alt` and `caption`."""
        return {"name": self.name, "title": self.title, "alt": self.alt, "caption": self.caption}

    def as_bytes(self, form: Form) -> bytes:
        """Return the picture as a file of that format: the same bytes whenever the same figure is drawn anew.

        An SVG keeps text as text and refers to nothing outside itself; it has no document type, either. A PDF embeds
        its fonts as TrueType.
        """
        written: Any = {"svg.fonttype": "none", "svg.hashsalt": self.name, "pdf.fonttype": 42}
        buffer = io.BytesIO()
        told = _DROPPED[form] | {"Title": self.title}
        with drawn_in(written):
            self.figure.savefig(buffer, format=form, dpi="figure", metadata=told)
        if form != "svg":
            return buffer.getvalue()
        head, doctype, rest = buffer.getvalue().partition(b"<!DOCTYPE")
        return head + rest.partition(b">")[2].lstrip() if doctype else head


@dataclass(frozen=True)
class Absent:
    """Why there is no figure, as a sentence without its full stop."""

    reason: str


def axes_grid(count: int, across: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes, at most `across` beside each other, each about `width` x `height` inches."""
    columns = min(across, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * width, rows * height))
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def settled(figure: Figure) -> Figure:
    """Lay the figure out once and for all, so that it is the same in every format and every time it is written.

    Which ticks an axis chooses depends on the size of their labels; they keep it, whatever matplotlib's settings are
    when the figure is written.
    """
    for _ in range(2):  # the first time ticks are chosen once their labels have got their room
        figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if ticks := axis.get_major_ticks():
                axis.set_tick_params(labelsize=ticks[0].label1.get_fontsize())
    figure.set_layout_engine("none")
    return figure


def number(value: float | None) -> str:
    """Return a number with three significant digits and a true minus sign, `-` for none."""
    return "-" if value is None else f"{value:.3g}".replace("-", "−")


def span(low: float, high: float) -> str:
    """Return a range of values, as `−1.2 to 3.4`."""
    return f"{number(low)} to {number(high)}"


def count_range(counts: Collection[int]) -> str:
    """Return what these numbers of runs are: `3`, or `2 to 5`."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
