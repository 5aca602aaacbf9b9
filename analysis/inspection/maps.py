"""The maps of every module for one image, beside the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from analysis.inspection.records import Inspection, where
from analysis.plots.plot import Plot, freeze_layout, number, span
from analysis.plots.style import DIVERGING, SEQUENTIAL, STYLE, styled

HALO = withStroke(linewidth=2.5, foreground="white")


def map_figures(inspection: Inspection) -> list[Plot]:
    """Draw one figure per chosen image."""
    return [_of_image(inspection, place) for place in range(len(inspection.numbers["images"]))]


def _of_image(inspection: Inspection, place: int) -> Plot:
    image = inspection.numbers["images"][place]
    title = f"Image {image['index']}: label {image['label']}, predicted {image['predicted']}"
    return Plot(
        name=f"maps-{image['index']}",
        title=title,
        figure=figure_of(inspection, place),
        alt=f"{title}. " + " ".join(_told(inspection, position, place) for position in range(len(inspection.modules))),
        caption="Each row is one module: the spatial map before the sigmoid (orange above 0, purple below, a line at "
        "0, + and − at its extremes), the gate after it as a mean over channels, and the channel map before the "
        "sigmoid. "
        "Spatial colours are centred at 0 and gate colours run from 0 to 1 in every figure.",
    )


@styled(STYLE)
def figure_of(inspection: Inspection, place: int) -> Figure:
    """Draw the image, and a row of spatial logits, gate and channel logits for each module."""
    count = len(inspection.modules)
    figure = Figure(figsize=(9.6, 0.5 + 2.35 * count))
    grid = figure.add_gridspec(count, 4, width_ratios=(1, 1.2, 1.2, 1.5))
    pixels = inspection.arrays["images"][place]
    shown = figure.add_subplot(grid[0, 0])
    _picture(shown, pixels)
    shown.set_title(f"image {inspection.numbers['images'][place]['index']}\n{_size(pixels)} px")
    for position, module in enumerate(inspection.modules):
        spatial, gate = inspection.of(position, "spatial"), inspection.of(position, "gate")
        channel = inspection.of(position, "channel")
        axes = [figure.add_subplot(grid[position, column]) for column in (1, 2, 3)]
        _signed(axes[0], None if spatial is None else spatial[place], module["name"])
        assert gate is not None
        _gate(axes[1], gate[place], where(module))
        _bars(axes[2], None if channel is None else channel[place])
    return freeze_layout(figure)


def _size(values: NDArray[Any]) -> str:
    return f"{values.shape[-2]} x {values.shape[-1]}"


def _picture(axes: Axes, pixels: NDArray[Any]) -> None:
    if pixels.shape[0] == 1:
        axes.imshow(pixels[0], cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(np.moveaxis(pixels, 0, -1))
    axes.set_axis_off()


def _signed(axes: Axes, values: NDArray[Any] | None, name: str) -> None:
    if values is None:
        _absent(axes, "no spatial branch")
        return
    limit = float(np.abs(values).max()) or 1.0
    drawn = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit)
    if values.min() < 0 < values.max() and min(values.shape) > 1:
        axes.contour(values, levels=[0.0], colors="black", linewidths=0.8)
    if values.min() < values.max():
        for sign, at in (("+", values.argmax()), ("−", values.argmin())):
            row, column = np.unravel_index(at, values.shape)
            axes.text(float(column), float(row), sign, ha="center", va="center", weight="bold", path_effects=[HALO])
    axes.set_title(f"{name}: spatial logits\n{span(values.min(), values.max())}")
    axes.set_xticks([])
    axes.set_yticks([])
    _colours(axes, drawn)


def _gate(axes: Axes, values: NDArray[Any], title: str) -> None:
    drawn = axes.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=1)
    axes.set_title(f"{title}\nmean gate {span(values.min(), values.max())}")
    axes.set_xticks([])
    axes.set_yticks([])
    _colours(axes, drawn)


def _colours(axes: Axes, drawn: Any) -> None:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)


def _bars(axes: Axes, values: NDArray[Any] | None) -> None:
    if values is None:
        _absent(axes, "no channel branch")
        return
    axes.vlines(np.arange(len(values)), 0, values, color="#555555", linewidth=max(0.4, 110 / len(values)))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title(f"{len(values)} channel logits\n{span(values.min(), values.max())}")
    axes.set_xlabel("channel")
    axes.set_xlim(-0.5, len(values) - 0.5)


def _absent(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def _told(inspection: Inspection, position: int, place: int) -> str:
    parts = []
    for name, said in (("spatial", "spatial logits"), ("channel", "channel logits"), ("gate", "mean gate")):
        values = inspection.of(position, name)
        if values is not None:
            parts.append(f"{said} {span(values[place].min(), values[place].max())}")
    gate = inspection.of(position, "gate")
    assert gate is not None
    row, column = np.unravel_index(gate[place].argmax(), gate[place].shape)
    height, width = gate[place].shape
    at = f"most open at {number(100 * (row + 0.5) / height)} % from the top, {number(100 * (column + 0.5) / width)} %"
    return f"{inspection.modules[position]['name']}: {', '.join(parts)}; {at} from the left."
