"""The gate's values before and after training, as histograms with the saturated ends shaded."""

from typing import Any

from matplotlib.axes import Axes

from analysis.inspection.records import Inspection, title_of
from analysis.plots.plot import Plot, axes_grid, freeze_layout, number
from analysis.plots.style import BLUE, COLUMNS, FAINT, ORANGE, STYLE, styled


@styled(STYLE)
def saturation_figure(inspection: Inspection) -> Plot:
    """Draw a histogram of each module's gate."""
    limits, n, count = inspection.numbers["thresholds"], inspection.numbers["n"], len(inspection.modules)
    figure, grid = axes_grid(count, COLUMNS, 3.6 if count > 1 else 5.0, 2.7)
    for position, axes in enumerate(grid):
        _histogram(axes, inspection, position)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    summaries = [
        f"{module['name']}: {percent(module, 'trained')} saturated, {percent(module, 'initial')} before training."
        for module in inspection.modules
    ]
    return Plot(
        name="saturation",
        title="Saturation of the gate",
        figure=freeze_layout(figure),
        alt="Histograms of the gate of each module. " + " ".join(summaries),
        caption=f"How often the gate takes each value over {n['samples']} images: trained (filled), and the same "
        f"network before training (line), there with the statistics of batches of {n['batch']} as in a first training "
        f"step. Values below {limits['low']} or above {limits['high']} (shaded) count as saturated, since hardly any "
        "gradient passes.",
    )


def percent(module: dict[str, Any], when: str) -> str:
    """Return a module's saturated share, `trained` or `initial`, as `11.4 %`."""
    return f"{100 * module['saturation'][when]['saturated']:.1f} %"


def _histogram(axes: Axes, inspection: Inspection, position: int) -> None:
    module, limits = inspection.modules[position], inspection.numbers["thresholds"]
    shares = inspection.arrays[f"{position}/trained"]
    edges = [bar / len(shares) for bar in range(len(shares) + 1)]
    axes.axvspan(0, limits["low"], color=FAINT, linewidth=0)
    axes.axvspan(limits["high"], 1, color=FAINT, linewidth=0)
    axes.stairs(100 * shares, edges, fill=True, color=BLUE, alpha=0.75, label="trained")
    before = 100 * inspection.arrays[f"{position}/initial"]
    axes.stairs(before, edges, color=ORANGE, linewidth=1.6, label="before training")
    mean = number(module["saturation"]["trained"]["mean"])
    saturated = f"saturated {percent(module, 'trained')}, before {percent(module, 'initial')}"
    axes.set_title(f"{title_of(module)}, mean {mean}\n{saturated}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("gate")
    axes.set_ylabel("% of values")
