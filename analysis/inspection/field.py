"""Receptive fields: where the gradient lies, and how much of the map the field covers as images grow."""

from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle

from analysis.inspection.records import Inspection, positions_read, title_of
from analysis.plots.plot import Plot, axes_grid, colour_bar, freeze_layout, legend_below, number
from analysis.plots.style import COLUMNS, FAINT, MARKERS, ORANGE, SEQUENTIAL, STYLE, styled


def field_figures(inspection: Inspection) -> list[Plot]:
    """Draw both figures; none for modules without a spatial branch."""
    modules = {position: module for position, module in enumerate(inspection.modules) if module["field"]}
    return [_coverage(inspection, [*modules.values()]), _energy(inspection, modules)] if modules else []


@styled(STYLE)
def _coverage(inspection: Inspection, modules: list[dict[str, Any]]) -> Plot:
    """Draw, for each module, the covered share of the map against the input's longer side, a line a dilation."""
    figure, grid = axes_grid(len(modules), COLUMNS, 3.5 if len(modules) > 1 else 5.0, 3.1, sharey=True)
    summaries = []
    for axes, module in zip(grid, modules, strict=True):
        _lines(axes, module)
        size = module["field"]["by_size"][-1]
        shares = ", ".join(
            f"{number(100 * row['theoretical'])} % ({_dilation(row['dilation'])})" for row in size["by_dilation"]
        )
        place = f"{module['name']} at {_px(size['input'])} px, map {_px(size['map'])}"
        summaries.append(f"{place}: the field covers {shares} of the side.")
    for axes in grid[::COLUMNS]:
        axes.set_ylabel("% of the map's longer side")
    handles, _ = grid[0].get_legend_handles_labels()
    legend_below(figure, handles, min(5, len(handles)))
    return Plot(
        name="field-coverage",
        title="Receptive field against input size",
        figure=freeze_layout(figure),
        alt="How much of the map's longer side one position of the spatial map can see, per module. "
        + " ".join(summaries),
        caption="Solid lines: the theoretical receptive field of the spatial branch, as a share of the longer side of "
        "the map that an image of this size gives. Dashed lines, hollow marks: the effective field, "
        "as twice the root mean square distance of the squared gradient from the centre, at the run's own weights with "
        f"the dilation changed, over {inspection.numbers['n']['draws']} noise inputs like the module's own.",
    )


def _dilation(dilation: int | None) -> str:
    return "own kernel" if dilation is None else f"d = {dilation}"


def _px(size: list[int]) -> str:
    return f"{size[0]} x {size[1]}"


def _lines(axes: Axes, module: dict[str, Any]) -> None:
    sizes, by_dilation = module["field"]["by_size"], module["field"]["by_dilation"]
    places = list(range(len(sizes)))
    for line, view in enumerate(by_dilation):
        rows = [size["by_dilation"][line] for size in sizes]
        colour = colormaps[SEQUENTIAL](0.8 * line / max(1, len(by_dilation) - 1))
        look: dict[str, Any] = {"color": colour, "marker": MARKERS[line % len(MARKERS)]}
        axes.plot(places, [100 * row["theoretical"] for row in rows], **look, label=_dilation(view["dilation"]), ms=5)
        if rows[0]["rms_diameter"] is not None:
            lengths = [100 * row["rms_diameter"] for row in rows]
            axes.plot(places, lengths, **look, linestyle="--", linewidth=0.9, ms=4, mfc="white")
    axes.set_xticks(places, [f"{max(size['input'])}\n({_px(size['map'])})" for size in sizes], fontsize=7)
    axes.set_ylim(0, 105)
    axes.set_xlabel("longer side of the image, px (map)")
    axes.set_title(f"{module['name']}, field of {', '.join(str(view['theoretical']) for view in by_dilation)}")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)


@styled(STYLE)
def _energy(inspection: Inspection, modules: dict[int, dict[str, Any]]) -> Plot:
    """Draw the energy on the module's own input and on the image, a row a module."""
    share = f"{100 * inspection.numbers['thresholds']['share']:.0f} % of the squared gradient"
    figure, grid = axes_grid(2 * len(modules), 2, 3.4, 3.2)
    summaries = []
    for left, right, (position, module) in zip(grid[::2], grid[1::2], modules.items(), strict=True):
        field, read = module["field"], positions_read(module["field"])
        on_maps, on_image, side = field["on_maps"], field["on_image"], field["theoretical"]
        _heat(left, inspection.arrays[f"{position}/field_module"], [side, side], on_maps)
        left.set_title(f"{title_of(module)}\nside {side}, {read} positions read")
        _heat(right, inspection.arrays[f"{position}/field_image"], on_image["theoretical"], on_image)
        theoretical, rms = _px(on_image["theoretical"]), number(on_image["rms"])
        right.set_title(f"on the image: {theoretical} px can be seen\nrms radius {rms} px")
        summaries.append(
            f"{module['name']}: theoretical side {side}, {read} positions read on the map; {share} within a side of "
            f"{on_maps['side'] or '-'} on the map and {on_image['side'] or '-'} px on the image."
        )
    return Plot(
        name="field-energy",
        title="Effective receptive field",
        figure=freeze_layout(figure),
        alt="Squared gradient of the centre of each spatial map. " + " ".join(summaries),
        caption="Squared gradient of the centre of the spatial map, with respect to what the module gets (left) and to "
        f"the image (right), averaged over {inspection.numbers['n']['field']} images; colours are the square root of "
        f"the share of the maximum. The white frame is the theoretical field, the dashed one the square that holds "
        f"{share}.",
    )


def _heat(axes: Axes, values: Any, theoretical: list[int], measured: dict[str, Any]) -> None:
    height, width = values.shape
    image = axes.imshow(values / (float(values.max()) or 1.0), cmap=SEQUENTIAL, norm=PowerNorm(0.5, 0, 1))
    _frame(axes, measured["centre"], theoretical, color="white", linewidth=1.6)
    if measured["side"] is not None:
        _frame(axes, measured["centre"], [measured["side"]] * 2, color=ORANGE, linewidth=1.6, linestyle="--")
    axes.set_xticks(sorted({0, width - 1}))
    axes.set_yticks(sorted({0, height - 1}))
    colour_bar(axes, image)


def _frame(axes: Axes, centre: list[int], size: list[int], **style: Any) -> None:
    """Draw a rectangle of `size` (rows, columns) around `centre`, as much of it as lies within the axes."""
    left, right, bottom, top = axes.get_xlim() + axes.get_ylim()
    x = [min(max(centre[1] + half, left), right) for half in (-size[1] / 2, size[1] / 2)]
    y = [min(max(centre[0] + half, top), bottom) for half in (-size[0] / 2, size[0] / 2)]
    axes.add_patch(Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0], fill=False, **style))
