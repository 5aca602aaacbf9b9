"""Where a study's figures come from: what was varied and fixed, commits, versions, hardware, hours, and every run."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from analysis.environment import device_hours, over_attempts
from analysis.formats.columns import Column, mean_and_sd, signed
from analysis.formats.legend import fixed_facts
from analysis.provenance.explanation import Explanation, device_of, explain
from analysis.table.model import Row
from lightning_bam.config import flatten
from lightning_bam.run_folder.manifest import ENTRIES
from studies.definition.panels import panel_names
from studies.definition.study import Study
from studies.records.records import Record

FOLDER = "folder, named by the key"
KINDS = {"seed": "label"} | dict.fromkeys(("figure (%)", "Δ at this seed", "attempts"), "number")
"""Columns of other kinds than `verdict`."""
MACHINE_NAMES = (FOLDER, "commit")
"""Headings whose cells are names for a machine."""


def hours_text(hours: float) -> str:
    """Write hours with two digits, in full from ten up."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def clock(text: str) -> str:
    """Write an ISO time as `2026-11-25 22:48 UTC`; empty for none."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if text else ""


def provenance(records: Sequence[Record]) -> dict[str, str]:
    """Return, under the names of `ENTRIES` and others, what the finished runs were made with, as far as recorded.

    Where runs differ each value has the number of runs with it behind it.
    """
    done = [record for record in records if record.result is not None]
    attempts = [record.manifest.effective for record in done]
    facts = {}
    for name, entry in ENTRIES.items():
        values = ([value for attempt in run if (value := getattr(attempt, name)) is not None] for run in attempts)
        if counts := Counter(over_attempts(run) for run in values if run):
            facts[entry.label] = _counted(counts, len(done), entry.absent)
    hours, runs = device_hours(done)
    if runs:
        facts["device-hours"] = hours_text(hours) + ("" if runs == len(done) else f" ({runs} of {len(done)} runs)")
    if resumed := sum(len(run) > 1 for run in attempts):
        facts["interrupted"] = f"{resumed} of {len(done)} runs went on from a checkpoint"
    if started := [attempt.started for run in attempts for attempt in run if attempt.started]:
        facts["first run started"] = clock(min(started))
    if ended := [record.manifest.ended for record in done if record.manifest.ended]:
        facts["last run ended"] = clock(max(ended))
    return facts


def _counted(values: Counter[str], runs: int, absent: str) -> str:
    if len(values) == 1 and values.total() == runs:
        return next(iter(values))
    if without := runs - values.total():
        values[absent] = without
    return "; ".join(f"{value} ({count} run{'s' * (count > 1)})" for value, count in values.most_common())


def conditions(study: Study) -> dict[str, str]:
    """Return the factors under question with their values, then what differs by chance, then each fixed slot."""
    flats = [flatten(run) for run in study.rows.values()]
    panels = panel_names(study.rows, study.within)
    names = {f"varied: {name}": name for name in study.scientific} | {f"panels: {name}": name for name in panels}
    facts = {
        heading: ", ".join(dict.fromkeys(str(flat[name]) for flat in flats if name in flat))
        for heading, name in names.items()
    }
    seeds = ", ".join(map(str, study.seed_list))
    facts["by chance: seed"] = f"{seeds} (initial weights, order and augmentation of the data; the same in every row)"
    slots: dict[str, dict[str, str]] = {}
    for name, value in study.fixed().items():
        slots.setdefault(name.partition(".")[0], {})[name] = value
    for slot, values in slots.items():
        text = fixed_facts(values).removeprefix(slot).strip()
        facts[f"fixed: {slot}"] = text[1:-1] if text.startswith("(") else text
    return facts


def row_runs(study: Study, records: Sequence[Record], row: Row, baseline: Row) -> dict[str, object]:
    """Return what the page shows of a row's runs; a baseline is compared with itself."""
    explanation = explain(study, records, row.label)
    difference = "This row is the baseline."
    if row is not baseline:
        name = explanation.baseline
        difference = f"Here {facts(explanation, 'row')}; in the baseline {name!r} {facts(explanation, 'baseline')}."
    runs = f"{row.n} of {row.wanted} run{'s' * (row.wanted > 1)} complete"
    return {
        "label": row.label,
        "name": repr(row.label),
        "summary": runs if math.isnan(row.mean) else f"{runs}, {mean_and_sd(row.mean, row.sd)}",
        "difference": difference,
        "columns": run_columns(explanation, row, baseline),
        "runs": explanation.runs,
    }


def facts(explanation: Explanation, side: str) -> str:
    """Return in words what one side, `row` or `baseline`, has where they differ."""
    values = {name: str(value[side]) for name, value in explanation.differences.items()}
    return fixed_facts({name: value for name, value in values.items() if value != "-"})


def run_columns(explanation: Explanation, row: Row, baseline: Row) -> list[Column]:
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
        "device": [
            device_of(attempt) + (f" x {ranks}" if (ranks := attempt.get("world_size", 1)) != 1 else "")
            for attempt in last
        ],
        "last started": [clock(str(attempt.get("started", ""))) for attempt in last],
    }
    return [
        Column(heading=heading, kind=KINDS.get(heading, "verdict"), cells=values)
        for heading, values in cells.items()
        if heading == "figure (%)" or any(values)
    ]
