"""One self-contained page of an inspection."""

from collections.abc import Sequence
from typing import Final

from analysis.html.templates import render
from analysis.inspection.records import Inspection, positions_read
from analysis.inspection.saturation import percent
from analysis.plots.plot import Plot, number

HEADINGS = ("module", "C", "H x W", "saturated", "at init", "field", "read", "effective", "rms", "of map")
CONSTANT: Final = 1e-5
"""Logits that differ by less, as a share of their size, differ by rounding alone."""


def page(inspection: Inspection, figures: Sequence[Plot]) -> str:
    """Return the whole page; pictures are embedded, nothing is loaded."""
    numbers = inspection.numbers
    run, epochs = numbers["run"], numbers["epochs"]
    trained = f"{epochs} of {run['recipe.epochs']} epochs trained" if epochs else "weights from elsewhere"
    return render(
        "inspection/page.html.j2",
        title=f"What the module looks at: {numbers['key']}",
        key=numbers["key"],
        lead=f"{run['attention']} in {run['backbone']} on {run['dataset']}, {trained}",
        knobs={name: value for name, value in run.items() if not name.startswith(("recipe", "score"))},
        versions={name: value for name, value in numbers["versions"].items() if value is not None and name != "host"},
        legend=legend(inspection),
        headings=HEADINGS,
        rows=cells(inspection),
        figures=figures,
    )


def cells(inspection: Inspection) -> list[list[str]]:
    """Return the rows of the table under `HEADINGS`, one a module, `-` where there is no spatial branch."""
    rows = []
    for module in inspection.modules:
        field, height, width = module["field"], module["height"], module["width"]
        row = [module["name"], str(module["channels"]), f"{height} x {width}"]
        row += [percent(module, "trained"), percent(module, "initial")]
        if field is None:
            row += ["-"] * 5
        else:
            row += [str(field["theoretical"]), positions_read(field), str(field["on_maps"]["side"] or "-")]
            row += [number(field["on_maps"]["rms"]), f"{100 * min(field['theoretical'] / max(height, width), 1):.0f} %"]
        rows.append(row)
    return rows


def legend(inspection: Inspection) -> str:
    """Return what the columns of the table mean, with n."""
    numbers = inspection.numbers
    n, limits = numbers["n"], numbers["thresholds"]
    return (
        f"Saturated: gate values below {limits['low']} or above {limits['high']}, over {n['samples']} images; at init, "
        f"with batch statistics ({n['batch']} images). In positions of the module's map: field, the "
        "side of what the centre can see; read, how many positions of the map it reads (of those that it "
        "would on a map as large as the field); effective, the side of the square "
        f"that holds {100 * limits['share']:.0f} % of the squared gradient on {n['field']} images (cut at the map's "
        "border); rms, its root mean square distance from the centre. Of map: the field as a share of the map's longer "
        "side."
    ) + "".join(f" {line}" for line in dead(inspection))


def dead(inspection: Inspection) -> list[str]:
    """Name the branches whose logits are the same everywhere on the inspected images: nothing is looked at there."""
    lines = []
    for module in inspection.modules:
        for branch in ("channel", "spatial"):
            least, most = module["ranges"].get(branch, (0.0, 1.0))
            if most - least <= CONSTANT * max(abs(least), abs(most)):
                name = f"{module['name']}'s {branch} branch"
                lines.append(f"{name} is dead: its logits are {number(least)} everywhere, whatever it is shown.")
    return lines
