"""What everything is called in W&B: figures by the phase that they come from, then by their name in the run folder."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from lightning_bam.config import Run

FIGURES: Final = {
    "epoch": "epoch",
    "train_loss": "train/loss",
    "lr": "train/lr",
    "images_per_s": "train/images_per_s",
    "memory_gib": "device/memory_gib",
}
"""The name in W&B of what a line of `metrics.jsonl` has beside its scores and its gates.

`train/loss` is the mean over the epoch's batches as they were trained on, `train/lr` the rate of its first step,
`train/images_per_s` of all ranks together, without scoring, `device/memory_gib` the most that tensors took on the GPU.
"""
NO_CURVES: Final = ("scored", "correct_top1", "correct_top5", "seconds", "train_seconds")
"""What needs no curve of its own beside what it gives: errors, and images a second."""
SUMMARIES: Final = {"train/images_per_s": "mean", "device/memory_gib": "max"}
"""What W&B's summary has of figures that are no scores; of all others it has the last epoch's, as is reported."""
GATES: Final = ("gates/", "gate/")
"""How a gate's figures begin in `metrics.jsonl` and in W&B: `gate/layer1/mean`, `gate/layer1/saturated`."""
ROWS: Final = "rows"
"""The key of a run's config that has which row it is in each study, by `row_key`: several may share a run."""
ANALYSIS: Final = "analysis"
"""The job type of a study's analysis run, whose keys follow."""
TABLE: Final = "table"
CHART: Final = "effects/chart"
EFFECTS: Final = "effects/picture"
CURVES: Final = "curves/picture"
PAGE: Final = "report"
METHODS: Final = "methods"
MAPS: Final = "inspect/maps"
"""The table with CSV's columns, a chart, kinds of pictures (as `KIND/picture`), and two pages of HTML."""
COUNTS: Final = {"params": "params", "macs": "macs", "epochs": "epochs", "seconds": "train/seconds"}
"""The name in W&B of what `result.json` has beside its scores; `train/seconds` are those of all epochs, scored."""


def phase(run: Run) -> str:
    """Return what a run's scores are called after: the images that they are of, `test` or `held_out` in a search."""
    return "test" if run.score_on == "test" else "held_out"


def epoch_figures(run: Run, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of one epoch by their names in W&B.

    There `epoch`, which is W&B's step, too, counts from 1, as the log and every plot do; `metrics.jsonl` counts from 0.
    """

    def name(ours: str) -> str:
        if ours.startswith(GATES[0]):
            return GATES[1] + ours.removeprefix(GATES[0])
        return FIGURES.get(ours) or f"{phase(run)}/{ours}"

    figures = {name(ours): figure for ours, figure in line.items() if ours not in NO_CURVES}
    if "epoch" in figures:
        figures["epoch"] += 1
    return figures


def reported_figures(run: Run, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reported figures of a finished run, those of its last epoch, by their names in W&B's summary."""
    return {COUNTS.get(name) or f"{phase(run)}/{name}": figure for name, figure in figures.items()}


def row_key(label: str) -> str:
    """Return the key in `ROWS` of the study with this label: a plain word, by which W&B can group runs."""
    word = re.sub(r"[^A-Za-z0-9-]+", "_", label)
    return word if word == label else f"{word[:40]}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def analysis_id(label: str) -> str:
    """Return the id of the analysis run of the study with this label: always the same, so that it is written over."""
    return f"analysis-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
