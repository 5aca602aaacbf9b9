"""Whether the figures of a run agree among themselves: epoch lines, counts, result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from lightning_bam.json_text import shortened
from lightning_bam.run_folder.result import CLASSIFIED, DETECTED
from studies.records.records import Record

EQUAL: Final = 1e-9
"""Percentage points within which an error is the one that its counts give."""
REMOVE: Final = "remove this run folder to train it again"


def disagreement(record: Record) -> str | None:
    """Say in what a complete run contradicts itself first; None where it does not, or is not complete.

    Raises:
        FolderError: epoch lines that cannot be read.

    """
    if record.result is None:
        return None
    lines, result, path = record.metrics, record.result.told(), record.folder.path
    epochs, planned = [line["epoch"] for line in lines], record.run.recipe.epochs
    if epochs != list(range(planned)):
        shown = shortened(", ".join(map(str, epochs)))
        return f"{path}/metrics.jsonl: holds epochs {shown}, not 0 to {planned - 1}; {REMOVE}"
    for name in (*CLASSIFIED, *DETECTED, "scored"):
        last = lines[-1].get(name)
        if name in result and last is not None and last != result[name]:
            return f"{path}/result.json: says {name} {result[name]}, metrics.jsonl {last} at its last epoch; {REMOVE}"
    for line in lines:
        if wrong := miscount(line):
            return f"{path}/metrics.jsonl: epoch {line['epoch']}: {wrong}; {REMOVE}"
    wrong = miscount(result)
    return f"{path}/result.json: {wrong}; {REMOVE}" if wrong else None


def miscount(figures: Mapping[str, Any]) -> str | None:
    """Say which error, in percent, is not that of its counts; None where each is, or there are no counts."""
    scored = figures.get("scored")
    for name in ("top1", "top5"):
        error, correct = figures.get(f"error_{name}"), figures.get(f"correct_{name}")
        if error is None or correct is None or not scored:
            continue
        counted = 100 * (scored - correct) / scored
        if not math.isclose(error, counted, rel_tol=0, abs_tol=EQUAL) or not 0 <= correct <= scored:
            return f"error_{name} {error} is not that of {correct} right among {scored} ({counted})"
    return None
