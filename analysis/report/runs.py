"""The runs behind a row, folded away until somebody asks, as HTML."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from analysis.formats import fixed_facts
from analysis.formats.columns import Column, mean_and_sd, signed
from analysis.formats.html import escape, grid_lines, plain
from analysis.html import scrolling
from analysis.provenance.explanation import Explanation
from analysis.report.provenance import clock
from analysis.table.model import Row

FOLDER = "folder, named by the key"
MARKED = (FOLDER, "commit", "W&B id")
"""Headings whose cells are names for a machine."""


def opened(explanation: Explanation, row: Row, baseline: Row, anchor: str, back: str) -> str:
    """Return a row's runs as a `<details>`.

    Args:
        explanation: the row's, of all its seeds.
        row: the row.
        baseline: the one it is compared with; itself for a baseline.
        anchor: the id of what is folded away: a link to it unfolds it.
        back: the id of the table that leads here.

    """
    label = f"Runs of {row.label!r}"
    parts = [
        f"<details>\n<summary>{summary(row)}</summary>\n"
        f'<div class="runs" id="{anchor}" tabindex="-1">\n<p class="fixed">{escape(apart(explanation))}</p>',
        scrolling(_table(explanation, row, baseline), f"{label}, study {explanation.study}"),
        *(_failure(run) for run in explanation.runs if run["state"] == "failed"),
        f'<p class="back"><a href="#{back}">Back to the table</a></p>\n</div>\n</details>',
    ]
    return "\n".join(parts)


def summary(row: Row) -> str:
    """Return a row's name, how many of its runs are complete, and its figure."""
    runs = f"{row.n} of {row.wanted} run{'s' * (row.wanted > 1)} complete"
    figure = "" if math.isnan(row.mean) else f", {mean_and_sd(row.mean, row.sd)}"
    return f"<b>{plain(row.label)}</b>: {runs}{figure}"


def apart(explanation: Explanation) -> str:
    """Say what sets a row apart from its baseline."""
    if explanation.row == explanation.baseline:
        return "This row is the baseline."
    sides = {}
    for side in ("row", "baseline"):
        values = {name: str(both[side]) for name, both in explanation.differences.items() if both[side] != "-"}
        sides[side] = fixed_facts(values)
    return f"Here {sides['row']}; in the baseline {explanation.baseline!r} {sides['baseline']}."


def columns(explanation: Explanation, row: Row, baseline: Row) -> list[Column]:
    """Return the runs as columns to print, a line a seed."""
    runs = explanation.runs
    paired = set(row.errors) & set(baseline.errors) if row is not baseline else set()
    difference = {seed: row.errors[seed] - baseline.errors[seed] for seed in paired}
    deltas = [signed(difference[run["seed"]]) if run["seed"] in difference else "" for run in runs]
    last = [run["attempts"][-1] if run["attempts"] else {} for run in runs]
    found = [
        Column(heading="seed", kind="label", cells=[str(run["seed"]) for run in runs]),
        Column(heading="figure (%)", kind="number", cells=[_figure(row, run["seed"]) for run in runs]),
        Column(heading="Δ at this seed", kind="number", cells=deltas),
        Column(heading="state", kind="verdict", cells=[run["state"] for run in runs]),
        Column(heading=FOLDER, kind="verdict", cells=[run["folder"] for run in runs]),
        Column(heading="attempts", kind="number", cells=[str(len(run["attempts"]) or "") for run in runs]),
        Column(heading="commit", kind="verdict", cells=[str(made.get("commit", "")) for made in last]),
        Column(heading="device", kind="verdict", cells=[_device(made) for made in last]),
        Column(heading="last started", kind="verdict", cells=[clock(str(made.get("started", ""))) for made in last]),
        Column(heading="W&B id", kind="verdict", cells=[", ".join(map(_wandb, run["wandb"])) for run in runs]),
    ]
    always = ("seed", "figure (%)", "state", FOLDER)
    return [column for column in found if column.heading in always or any(column.cells)]


def _table(explanation: Explanation, row: Row, baseline: Row) -> str:
    def cell(column: Column, place: int) -> str:
        text = plain(column.cells[place])
        return f"<code>{text}</code>" if text and column.heading in MARKED else text

    caption = f"The runs of {row.label!r}, seed by seed"
    return "\n".join(["<table>", *grid_lines(caption, columns(explanation, row, baseline), cell), "</table>"])


def _figure(row: Row, seed: int) -> str:
    return f"{row.errors[seed]:.2f}" if seed in row.errors else "—"


def _device(made: dict[str, Any]) -> str:
    if "device" not in made:
        return ""
    device = f"cpu {made.get('cpu', '')}".strip() if made["device"] == "cpu" else made["device"]
    ranks = made.get("world_size", 1)
    return f"{device} x {ranks}" if ranks != 1 else device


def _wandb(path: str) -> str:
    """Return the id at the end of the name of W&B's folder, and whether it is an offline record."""
    kind, _, rest = Path(path).name.partition("run-")
    return rest.rpartition("-")[2] + (" (offline)" if kind else "")


def _failure(run: dict[str, Any]) -> str:
    """Say why a run failed, its last words folded away."""
    cause = f"{run['cause']}: " if run["cause"] else ""
    rank = f" (rank {run['rank']})" if run["rank"] is not None else ""
    told = f"Seed {run['seed']} failed: {cause}{run['error'] or 'no reason is recorded'}{rank}"
    if not run["traceback"]:
        return f"<p>{escape(told)}</p>"
    words = scrolling(f"<pre>{escape(run['traceback'])}</pre>", f"Traceback of run {run['key']}")
    return f"<p>{escape(told)}</p>\n<details>\n<summary>Traceback of seed {run['seed']}</summary>\n{words}\n</details>"
