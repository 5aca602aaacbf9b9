"""The gate's values before and after training, as histograms with the saturated ends shaded."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.inspection.records import Inspection, where
from analysis.plots.plot import Plot, axes_grid, freeze_layout, number
from analysis.plots.style import BLUE, ORANGE, STYLE, styled

COLUMNS = 3


def saturation_figure(inspection: Inspection) -> Plot:
    """Draw a histogram of each module's gate."""
    low, high = (inspection.numbers["thresholds"][name] for name in ("low", "high"))
    n = inspection.numbers["n"]
    told = [
        f"{module['name']}: {percent(module, 'trained')} saturated, {percent(module, 'initial')} before training."
        for module in inspection.modules
    ]
    return Plot(
        name="saturation",
        title="Saturation of the gate",
        figure=histograms(inspection),
        alt="Histograms of the gate of each module. " + " ".join(told),
        caption=f"How often the gate takes each value over {n['samples']} images: trained (filled), and the same "
        f"network before training (line), there with the statistics of batches of {n['batch']} as in a first training "
        f"step. Values below {low} or above {high} (shaded) count as saturated, since hardly any gradient passes.",
    )


def percent(module: dict[str, dict[str, dict[str, float]]], when: str) -> str:
    """Return a module's saturated share, `trained` or `initial`, as `11.4 %`."""
    return f"{100 * module['saturation'][when]['saturated']:.1f} %"


@styled(STYLE)
def histograms(inspection: Inspection) -> Figure:
    """Draw one histogram a module."""
    modules = inspection.modules
    figure, cells = axes_grid(len(modules), COLUMNS, 3.6 if len(modules) > 1 else 5.0, 2.7)
    for position, cell in enumerate(cells):
        _histogram(cell, inspection, position)
    figure.legend(*cells[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return freeze_layout(figure)


def _histogram(axes: Axes, inspection: Inspection, position: int) -> None:
    module = inspection.modules[position]
    low, high = (inspection.numbers["thresholds"][name] for name in ("low", "high"))
    trained, initial = inspection.of(position, "trained"), inspection.of(position, "initial")
    assert trained is not None
    assert initial is not None
    edges = [bar / len(trained) for bar in range(len(trained) + 1)]
    axes.axvspan(0, low, color="#dddddd", linewidth=0)
    axes.axvspan(high, 1, color="#dddddd", linewidth=0)
    axes.stairs(100 * trained, edges, fill=True, color=BLUE, alpha=0.75, label="trained")
    axes.stairs(100 * initial, edges, color=ORANGE, linewidth=1.6, label="before training")
    mean = module["saturation"]["trained"]["mean"]
    saturated = f"saturated {percent(module, 'trained')}, before {percent(module, 'initial')}"
    axes.set_title(f"{where(module)}, mean {number(mean)}\n{saturated}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("gate")
    axes.set_ylabel("% of values")
