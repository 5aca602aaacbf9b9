"""One self-contained page of an inspection; each part is a function, so that a larger report can take it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from analysis.plots.drawn import Drawn, number
from analysis.plots.inspection import Inspection
from analysis.plots.saturation import percent

CSS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --faint: #5a5a5a; --line: #d0d0d0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181b; --faint: #a8a8a8; --line: #44474c; }
}
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p.fixed { color: var(--faint); font-size: .85rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 0 0 1.5rem; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
figcaption { max-width: 45rem; }
"""

HEADINGS = (
    "module",
    "C",
    "H x W",
    "saturated",
    "at init",
    "field",
    "read",
    "effective",
    "rms",
    "of map",
)


def page(inspection: Inspection, figures: Sequence[Drawn]) -> str:
    """Return the whole page; pictures are embedded, nothing is loaded."""
    key = escape(inspection.numbers["key"])
    parts = [heading(inspection), table_part(inspection), *(figure_part(figure) for figure in figures)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>What the module looks at: {key}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def heading(inspection: Inspection) -> str:
    """Return the title, what was inspected, and with which versions."""
    numbers = inspection.numbers
    run, versions = numbers["run"], numbers["versions"]
    shown = [f"{name}={value}" for name, value in run.items() if not name.startswith(("recipe", "score"))]
    used = ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None and name != "host")
    lead = f"{run['attention']} in {run['backbone']} on {run['dataset']}, {trained(inspection)}"
    return (
        f"<h1>What the module looks at</h1>\n<p>Run {escape(numbers['key'])}: {escape(lead)}.</p>\n"
        f'<p class="fixed">{escape("; ".join(shown))}</p>\n<p class="fixed">{escape(used)}</p>'
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
            row += [str(field["theoretical"]), str(field["positions"]), str(field["on_maps"]["side"] or "-")]
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
        "side of what the centre can see; read, how many positions in it are read; effective, the side of the square "
        f"that holds {100 * limits['share']:.0f} % of the squared gradient on {n['field']} images (cut at the map's "
        "border); rms, its root mean square distance from the centre. Of map: the field as a share of the map's longer "
        "side."
    )


def table_part(inspection: Inspection) -> str:
    """Return the numbers of every module as a table that scrolls on its own on a narrow screen."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in HEADINGS)
    rows = []
    for first, *others in cells(inspection):
        data = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        rows.append(f'<tr><th scope="row">{escape(first)}</th>{data}</tr>')
    return (
        f'<p class="fixed">{escape(explained(inspection))}</p>\n<div class="wide" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def figure_part(figure: Drawn) -> str:
    """Return one figure with its heading, its caption, and the picture as a data URI."""
    data = base64.b64encode(figure.as_bytes("png")).decode()
    return (
        f"<section>\n<h2>{escape(figure.title)}</h2>\n<figure>\n"
        f'<img alt="{escape(figure.alt)}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{escape(figure.caption)}</figcaption>\n</figure>\n</section>"
    )
