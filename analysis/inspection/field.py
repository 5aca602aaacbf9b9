"""Receptive fields: where the gradient lies, and how much of the map the field covers as images grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.inspection.records import Inspection, read_of, where
from analysis.plots.plot import Plot, axes_grid, freeze_layout, number
from analysis.plots.style import ORANGE, SEQUENTIAL, STYLE, styled

COLUMNS = 3
MARKERS = "os^Dv*P"


def field_figures(inspection: Inspection) -> list[Plot]:
    """Draw both figures; none for modules without a spatial branch."""
    if not any(module["field"] for module in inspection.modules):
        return []
    return [_coverage(inspection), _energy(inspection)]


def spatial(inspection: Inspection) -> list[tuple[int, dict[str, Any]]]:
    """Return the modules that have a spatial branch, each with its position."""
    return [(position, module) for position, module in enumerate(inspection.modules) if module["field"]]


def _coverage(inspection: Inspection) -> Plot:
    told = []
    for _, module in spatial(inspection):
        size = module["field"]["by_size"][-1]
        seen = ", ".join(f"{number(100 * row['theoretical'])} %{_at(row['dilation'])}" for row in size["by_dilation"])
        told.append(
            f"{module['name']} at {_px(size['input'])} px, map {_px(size['map'])}: the field covers {seen} of the side."
        )
    return Plot(
        name="field-coverage",
        title="Receptive field against input size",
        figure=coverage(inspection),
        alt="How much of the map's longer side one position of the spatial map can see, per module. " + " ".join(told),
        caption="Solid lines: the theoretical receptive field of the spatial branch, as a share of the longer side of "
        "the map that an image of this size gives. Dashed lines, hollow marks: the effective field, "
        "as twice the root mean square distance of the squared gradient from the centre, at the run's own weights with "
        f"the dilation changed, over {inspection.numbers['n']['draws']} noise inputs like the module's own.",
    )


def _at(dilation: int | None) -> str:
    return "" if dilation is None else f" at dilation {dilation}"


def _px(size: list[int]) -> str:
    return f"{size[0]} x {size[1]}"


@styled(STYLE)
def coverage(inspection: Inspection) -> Figure:
    """Draw, for each module, the covered share of the map against the input's longer side, a line a dilation."""
    found = spatial(inspection)
    figure, cells = axes_grid(len(found), COLUMNS, 3.5 if len(found) > 1 else 5.0, 3.1, sharey=True)
    for cell, (_, module) in zip(cells, found, strict=True):
        _lines(cell, module)
    for cell in cells[::COLUMNS]:
        cell.set_ylabel("% of the map's longer side")
    handles, labels = cells[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), frameon=False)
    return freeze_layout(figure)


def _lines(axes: Axes, module: dict[str, Any]) -> None:
    sizes, sides = module["field"]["by_size"], module["field"]["by_dilation"]
    places = range(len(sizes))
    count = len(sizes[0]["by_dilation"])
    for line in range(count):
        rows = [size["by_dilation"][line] for size in sizes]
        colour = colormaps[SEQUENTIAL](0.8 * line / max(1, count - 1))
        label = "own kernel" if rows[0]["dilation"] is None else f"d = {rows[0]['dilation']}"
        marker = MARKERS[line % len(MARKERS)]
        axes.plot(places, [100 * row["theoretical"] for row in rows], color=colour, marker=marker, label=label, ms=5)
        if rows[0]["rms_diameter"] is not None:
            lengths = [100 * row["rms_diameter"] for row in rows]
            axes.plot(places, lengths, color=colour, linestyle="--", linewidth=0.9, marker=marker, ms=4, mfc="white")
    axes.set_xticks(list(places), [f"{max(size['input'])}\n({_px(size['map'])})" for size in sizes], fontsize=7)
    axes.set_ylim(0, 105)
    axes.set_xlabel("longer side of the image, px (map)")
    axes.set_title(f"{module['name']}, field of {', '.join(str(row['theoretical']) for row in sides)}")
    axes.grid(axis="y", color="#e0e0e0", linewidth=0.6)


def _energy(inspection: Inspection) -> Plot:
    told = []
    for _, module in spatial(inspection):
        field = module["field"]
        told.append(
            f"{module['name']}: theoretical side {field['theoretical']}, {read_of(field)} positions read on the "
            f"map; {100 * inspection.numbers['thresholds']['share']:.0f} % of the squared gradient within a side of "
            f"{field['on_maps']['side'] or '-'} on the map and {field['on_image']['side'] or '-'} px on the image."
        )
    return Plot(
        name="field-energy",
        title="Effective receptive field",
        figure=energies(inspection),
        alt="Squared gradient of the centre of each spatial map. " + " ".join(told),
        caption="Squared gradient of the centre of the spatial map, with respect to what the module gets (left) and to "
        f"the image (right), averaged over {inspection.numbers['n']['field']} images; colours are the square root of "
        "the share of the maximum. The white frame is the theoretical field, the dashed one the square that holds "
        f"{100 * inspection.numbers['thresholds']['share']:.0f} % of the squared gradient.",
    )


@styled(STYLE)
def energies(inspection: Inspection) -> Figure:
    """Draw the energy on the module's own input and on the image, a row a module."""
    found = spatial(inspection)
    figure, cells = axes_grid(2 * len(found), 2, 3.4, 3.2)
    for row, (position, module) in zip(zip(cells[::2], cells[1::2], strict=True), found, strict=True):
        field = module["field"]
        side = field["theoretical"]
        _heat(row[0], inspection.of(position, "field_module"), (side, side), field["on_maps"])
        row[0].set_title(f"{where(module)}\nside {side}, {read_of(field)} positions read")
        theoretical = field["on_image"]["theoretical"]
        _heat(row[1], inspection.of(position, "field_image"), theoretical, field["on_image"])
        row[1].set_title(
            f"on the image: {_px(theoretical)} px can be seen\nrms radius {number(field['on_image']['rms'])} px"
        )
    return freeze_layout(figure)


def _heat(axes: Axes, values: Any, theoretical: tuple[int, int] | list[int], measured: dict[str, Any]) -> None:
    most = float(values.max()) or 1.0
    drawn = axes.imshow(values / most, cmap=SEQUENTIAL, norm=PowerNorm(0.5, 0, 1))
    row, column = measured["centre"]
    height, width = values.shape
    _frame(axes, (row, column), theoretical, (height, width), color="white", linewidth=1.6)
    if measured["side"] is not None:
        side = (measured["side"], measured["side"])
        _frame(axes, (row, column), side, (height, width), color=ORANGE, linewidth=1.6, linestyle="--")
    axes.set_xticks(np.unique([0, width - 1]))
    axes.set_yticks(np.unique([0, height - 1]))
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)


def _frame(axes: Axes, centre: tuple[int, int], side: Any, size: tuple[int, int], **style: Any) -> None:
    top, left = (max(-0.5, at - length / 2) for at, length in zip(centre, side, strict=True))
    bottom, right = (min(most - 0.5, at + length / 2) for at, length, most in zip(centre, side, size, strict=True))
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, **style))
