"""Figures read back: the artists that carry a label of ours, and the texts with the room they take."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text


def points(axes, label):
    """Return the points of the one line that is labelled so, as (x, y) pairs."""
    (line,) = (line for line in axes.get_lines() if line.get_label() == label)
    return [(float(x), float(y)) for x, y in line.get_xydata()]


def labels(axes, begins):
    """Return the labels of all lines that begin so, without that beginning."""
    return [line.get_label().removeprefix(begins) for line in axes.get_lines() if line.get_label().startswith(begins)]


def line(axes, label):
    """Return the one line that is labelled so."""
    (found,) = (line for line in axes.get_lines() if line.get_label() == label)
    return found


def texts(figure: Figure) -> list[Text]:
    """Return every text that is drawn; matplotlib keeps labels of ticks beyond the ends of an axis, and hides them."""
    figure.draw_without_rendering()
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                hidden |= {tick.label1, tick.label2}
    found = figure.findobj(Text)
    return [text for text in found if text.get_visible() and text.get_text().strip() and text not in hidden]


def room(text: Text):
    """Return the box of a text, without the line that joins it to a point."""
    return Text.get_window_extent(text)


def clipped(figure: Figure) -> list[str]:
    """Return the texts that leave the figure by more than a pixel."""
    whole = figure.bbox
    found = []
    for text in texts(figure):
        box = room(text)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1:
            found.append(text.get_text())
    return found


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that cover each other by more than a pixel both ways."""
    boxes = [(text.get_text(), room(text)) for text in texts(figure)]
    return [
        (a, b)
        for (a, one), (b, two) in combinations(boxes, 2)
        if min(one.x1, two.x1) - max(one.x0, two.x0) > 1 and min(one.y1, two.y1) - max(one.y0, two.y0) > 1
    ]
