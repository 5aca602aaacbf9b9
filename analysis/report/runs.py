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
KINDS = {"seed": "label"} | dict.fromkeys(("figure (%)", "Δ at this seed", "attempts"), "number")
"""Columns of other kinds than `verdict`."""
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
        "difference": _difference(explanation),
        "columns": columns(explanation, row, baseline),
        "runs": explanation.runs,
    }


def _difference(explanation: Explanation) -> str:
    """Say what sets a row apart from its baseline."""
    if explanation.row == explanation.baseline:
        return "This row is the baseline."
    row, baseline = (
        fixed_facts({name: str(both[side]) for name, both in explanation.differences.items() if both[side] != "-"})
        for side in ("row", "baseline")
    )
    return f"Here {row}; in the baseline {explanation.baseline!r} {baseline}."


def columns(explanation: Explanation, row: Row, baseline: Row) -> list[Column]:
    """Return the runs as columns to print, a line a seed."""
    runs = explanation.runs
    seeds = [run["seed"] for run in runs]
    paired = set(row.errors) & set(baseline.errors) if row is not baseline else set()
    deltas = [signed(row.errors[seed] - baseline.errors[seed]) if seed in paired else "" for seed in seeds]
    figures = [f"{row.errors[seed]:.2f}" if seed in row.errors else "—" for seed in seeds]
    last = [run["attempts"][-1] if run["attempts"] else {} for run in runs]
    cells = {
        "seed": [str(seed) for seed in seeds],
        "figure (%)": figures,
        "Δ at this seed": deltas,
        "state": [run["state"] for run in runs],
        FOLDER: [run["folder"] for run in runs],
        "attempts": [str(len(run["attempts"]) or "") for run in runs],
        "commit": [str(attempt.get("commit", "")) for attempt in last],
        "device": [_device(attempt) for attempt in last],
        "last started": [clock(str(attempt.get("started", ""))) for attempt in last],
        "W&B id": [", ".join(map(_wandb, run["wandb"])) for run in runs],
    }
    return [
        Column(heading=heading, kind=KINDS.get(heading, "verdict"), cells=values)
        for heading, values in cells.items()
        if heading == "figure (%)" or any(values)
    ]


def _device(attempt: dict[str, Any]) -> str:
    device = str(attempt.get("device", ""))
    if device == "cpu":
        device = f"cpu {attempt.get('cpu', '')}".strip()
    return f"{device} x {attempt['world_size']}" if device and attempt.get("world_size", 1) != 1 else device


def _wandb(path: str) -> str:
    """Return the id at the end of the name of W&B's folder, and whether it is an offline record."""
    kind, _, rest = Path(path).name.partition("run-")
    return rest.rpartition("-")[2] + (" (offline)" if kind else "")
