"""The maps of every module for one image, beside the image."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from analysis.inspection.records import Inspection, title_of
from analysis.plots.plot import Plot, colour_bar, freeze_layout, span
from analysis.plots.style import DIVERGING, SEQUENTIAL, STYLE, styled

HALO = withStroke(linewidth=2.5, foreground="white")


def map_figure(inspection: Inspection, place: int) -> Plot:
    """Draw the figure of one chosen image."""
    image = inspection.numbers["images"][place]
    title = f"Image {image['index']}: label {image['label']}, predicted {image['predicted']}"
    summaries = [_summary(inspection, position, place) for position in range(len(inspection.modules))]
    return Plot(
        name=f"maps-{image['index']}",
        title=title,
        figure=figure_of(inspection, place),
        alt=f"{title}. " + " ".join(summaries),
        caption="Each row is one module: the spatial map before the sigmoid (orange above 0, purple below, a line at "
        "0, + and − at its extremes), the gate after it as a mean over channels, and the channel map before the "
        "sigmoid. Spatial colours are centred at 0 and gate colours run from 0 to 1 in every figure.",
    )


def _summary(inspection: Inspection, position: int, place: int) -> str:
    names = {"spatial": "spatial logits", "channel": "channel logits", "gate": "mean gate"}
    arrays = {name: inspection.arrays.get(f"{position}/{name}") for name in names}
    ranges = [f"{names[name]} {_range(values[place])}" for name, values in arrays.items() if values is not None]
    return f"{inspection.modules[position]['name']}: {', '.join(ranges)}."


def _range(values: NDArray[Any]) -> str:
    return span(values.min(), values.max())


@styled(STYLE)
def figure_of(inspection: Inspection, place: int) -> Figure:
    """Draw the image, and a row of spatial logits, gate and channel logits for each module."""
    count = len(inspection.modules)
    figure = Figure(figsize=(9.6, 0.5 + 2.35 * count))
    grid = figure.add_gridspec(count, 4, width_ratios=(1, 1.2, 1.2, 1.5))
    pixels = np.moveaxis(inspection.arrays["images"][place], 0, -1)
    image = figure.add_subplot(grid[0, 0])
    image.imshow(pixels, cmap="gray", vmin=0, vmax=255)  # the colour map is for a single channel
    image.set_axis_off()
    height, width, _ = pixels.shape
    image.set_title(f"image {inspection.numbers['images'][place]['index']}\n{height} x {width} px")
    for position, module in enumerate(inspection.modules):
        spatial, gate, channel = (
            inspection.arrays.get(f"{position}/{name}") for name in ("spatial", "gate", "channel")
        )
        axes = [figure.add_subplot(grid[position, column]) for column in (1, 2, 3)]
        _spatial(axes[0], None if spatial is None else spatial[place], module["name"])
        assert gate is not None
        opened = axes[1].imshow(gate[place], cmap=SEQUENTIAL, vmin=0, vmax=1)
        axes[1].set_title(f"{title_of(module)}\nmean gate {_range(gate[place])}")
        _bare(axes[1], opened)
        _channel(axes[2], None if channel is None else channel[place])
    return freeze_layout(figure)


def _spatial(axes: Axes, values: NDArray[Any] | None, name: str) -> None:
    if values is None:
        _absent(axes, "no spatial branch")
        return
    limit = float(np.abs(values).max()) or 1.0
    image = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit)
    if values.min() < 0 < values.max() and min(values.shape) > 1:
        axes.contour(values, levels=[0.0], colors="black", linewidths=0.8)
    if values.min() < values.max():
        for sign, at in (("+", values.argmax()), ("−", values.argmin())):
            row, column = np.unravel_index(at, values.shape)
            axes.text(float(column), float(row), sign, ha="center", va="center", weight="bold", path_effects=[HALO])
    axes.set_title(f"{name}: spatial logits\n{_range(values)}")
    _bare(axes, image)


def _bare(axes: Axes, image: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    colour_bar(axes, image)


def _channel(axes: Axes, values: NDArray[Any] | None) -> None:
    if values is None:
        _absent(axes, "no channel branch")
        return
    axes.vlines(np.arange(len(values)), 0, values, color="#555555", linewidth=max(0.4, 110 / len(values)))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title(f"{len(values)} channel logits\n{_range(values)}")
    axes.set_xlabel("channel")
    axes.set_xlim(-0.5, len(values) - 0.5)


def _absent(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
