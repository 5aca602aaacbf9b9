"""One self-contained page of an inspection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analysis.html.templates import render
from analysis.inspection.records import Inspection, read_of
from analysis.inspection.saturation import percent
from analysis.plots.plot import Plot, number

HEADINGS = ("module", "C", "H x W", "saturated", "at init", "field", "read", "effective", "rms", "of map")
CONSTANT: Final = 1e-5
"""Logits that differ by less, as a share of their size, differ by rounding alone."""


def page(inspection: Inspection, figures: Sequence[Plot]) -> str:
    """Return the whole page; pictures are embedded, nothing is loaded."""
    numbers = inspection.numbers
    run = numbers["run"]
    return render(
        "inspection/page.html.j2",
        title=f"What the module looks at: {numbers['key']}",
        key=numbers["key"],
        lead=f"{run['attention']} in {run['backbone']} on {run['dataset']}, {trained(inspection)}",
        knobs={name: value for name, value in run.items() if not name.startswith(("recipe", "score"))},
        versions={name: value for name, value in numbers["versions"].items() if value is not None and name != "host"},
        explained=explained(inspection),
        headings=HEADINGS,
        rows=cells(inspection),
        figures=figures,
    )


def trained(inspection: Inspection) -> str:
    """Return how far the weights are trained, in words."""
    epochs, wanted = inspection.numbers["epochs"], inspection.numbers["run"]["recipe.epochs"]
    return f"{epochs} of {wanted} epochs trained" if epochs else "weights from elsewhere"


def cells(inspection: Inspection) -> list[list[str]]:
    """Return the rows of the table under `HEADINGS`, one a module, `-` where there is no spatial branch."""
    rows = []
    for module in inspection.modules:
        field = module["field"]
        row = [module["name"], str(module["channels"]), f"{module['height']} x {module['width']}"]
        row += [percent(module, "trained"), percent(module, "initial")]
        if field is None:
            row += ["-"] * 5
        else:
            longer = max(module["height"], module["width"])
            row += [str(field["theoretical"]), read_of(field), str(field["on_maps"]["side"] or "-")]
            covered = min(field["theoretical"], longer) / longer
            row += [number(field["on_maps"]["rms"]), f"{100 * covered:.0f} %"]
        rows.append(row)
    return rows


def explained(inspection: Inspection) -> str:
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
    found = []
    for module in inspection.modules:
        for branch in ("channel", "spatial"):
            least, most = module["ranges"].get(branch, (0.0, 1.0))
            if most - least <= CONSTANT * max(abs(least), abs(most)):
                where = f"{module['name']}'s {branch} branch"
                found.append(f"{where} is dead: its logits are {number(least)} everywhere, whatever it is shown.")
    return found
