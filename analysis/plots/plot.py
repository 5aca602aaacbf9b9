"""A plot with its words, written without a display."""

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from analysis.plots.style import BLACK, DARK, styled
from lightning_bam.config import Metric

Form = Literal["png", "svg", "pdf"]
"""What a figure can be had as."""

METADATA: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
}
"""Entries left out of a file: when and with what it was made."""
SCREEN: Final = 110
"""Pixels an inch on a page: nine points are as tall as a caption there."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One figure, its file's name without the suffix, and the words with it.

    `alt` says what it shows, with its main numbers, `caption` how to read it. The figure's own dpi is a PNG's.
    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str

    def as_bytes(self, form: Form) -> bytes:
        """Return the picture as a file, the same bytes each time; an SVG keeps text as text, a PDF embeds its fonts."""
        buffer = io.BytesIO()
        with styled({"svg.fonttype": "none", "svg.hashsalt": self.name, "pdf.fonttype": 42}):
            self.figure.savefig(buffer, format=form, dpi="figure", metadata=METADATA[form] | {"Title": self.title})
        if form != "svg":
            return buffer.getvalue()
        head, _, rest = buffer.getvalue().partition(b"<!DOCTYPE")
        return head + rest.partition(b">")[2].lstrip()

    def for_page(self) -> bytes:
        """Return an SVG for a web page: on a dark one its colours are those of `DARK`, and its ground is the page's.

        Its colours are variables of CSS, which browsers know and drawing programs do not.
        """
        drawing = re.sub(
            f'(?<=: )({"|".join(DARK)})(?=[;"])',
            lambda colour: f"var(--{colour[0][1:]})",
            self.as_bytes("svg").decode(),
        )
        light, dark = (
            "".join(f"--{name[1:]}: {colour}; " for name, colour in colours.items()) + f"fill: var(--{BLACK[1:]})"
            for colours in ({name: name for name in DARK}, DARK)
        )
        style = f"svg {{{light}}} @media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
        return drawing.replace("</style>", f" {style}</style>", 1).encode()


@dataclass(frozen=True)
class NoPlot:
    """Why there is no figure, as a sentence without its full stop."""

    reason: str


class Picture(Figure):
    """A figure that a notebook shows by itself; one of matplotlib's it shows only where pyplot has been imported."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the PNG, and its size on the page in pixels: as wide as in a report, and sharp on any screen."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi="figure")
        width, height = self.get_size_inches()
        return buffer.getvalue(), {"width": round(SCREEN * width), "height": round(SCREEN * height)}


def axes_grid(count: int, across: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes, at most `across` beside each other, each about `width` x `height` inches."""
    columns = min(across, count)
    rows = -(-count // columns)
    figure = Picture(figsize=(columns * width, rows * height))
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int = 4) -> None:
    """Put a legend of these handles, by their labels, below all axes."""
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handletextpad=0.4)


def colour_bar(axes: Axes, image: AxesImage) -> None:
    """Draw a scale of colours beside the axes."""
    axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)


def freeze_layout(figure: Figure) -> Figure:
    """Lay the figure out once and for all, so that it is the same in every format and every time it is written.

    Which ticks an axis chooses depends on the size of their labels, which they keep.
    """
    for _ in range(2):  # the first time ticks are chosen once their labels have got their room
        figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if ticks := axis.get_major_ticks():
                axis.set_tick_params(labelsize=ticks[0].label1.get_fontsize())
    figure.set_layout_engine("none")
    return figure


def noun(metric: Metric) -> str:
    """Return a metric's label without its unit."""
    return metric.title


def number(value: float | None) -> str:
    """Return a number with three digits and a true minus sign, `-` for none."""
    return "-" if value is None else f"{value:.3g}".replace("-", "−")


def span(low: float, high: float) -> str:
    """Return a range of values, as `−1.2 to 3.4`."""
    return f"{number(low)} to {number(high)}"


def count_range(counts: Collection[int]) -> str:
    """Return what these numbers of runs are: `3`, or `2 to 5`."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
