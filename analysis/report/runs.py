"""The runs behind a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.formats import fixed_facts
from analysis.formats.columns import Column, mean_and_sd, signed
from analysis.provenance.explanation import Explanation, explain
from analysis.report.provenance import clock
from analysis.table.model import Row
from studies.definition.study import Study
from studies.records.records import Record

FOLDER = "folder, named by the key"
MACHINE_NAMES = (FOLDER, "commit", "W&B id")
"""Headings whose cells are names for a machine."""


def row_runs(study: Study, records: Sequence[Record], row: Row, baseline: Row) -> dict[str, object]:
    """Return what the page shows of a row's runs; a baseline is compared with itself."""
    explanation = explain(study, records, row.label)
    runs = f"{row.n} of {row.wanted} run{'s' * (row.wanted > 1)} complete"
    return {
        "label": row.label,
        "name": repr(row.label),
        "summary": runs if math.isnan(row.mean) else f"{runs}, {mean_and_sd(row.mean, row.sd)}",
        "difference": difference(explanation),
        "columns": columns(explanation, row, baseline),
        "runs": explanation.runs,
    }


def difference(explanation: Explanation) -> str:
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
    seeds = [run["seed"] for run in runs]
    paired = set(row.errors) & set(baseline.errors) if row is not baseline else set()
    deltas = [signed(row.errors[seed] - baseline.errors[seed]) if seed in paired else "" for seed in seeds]
    figures = [f"{row.errors[seed]:.2f}" if seed in row.errors else "—" for seed in seeds]
    last = [run["attempts"][-1] if run["attempts"] else {} for run in runs]
    found = [
        Column(heading="seed", kind="label", cells=[str(seed) for seed in seeds]),
        Column(heading="figure (%)", kind="number", cells=figures),
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
