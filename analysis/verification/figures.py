"""Whether the figures of a run agree among themselves: epoch lines, counts, result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightning_bam.run_folder.result import CLASSIFIED, DETECTED
from studies.records.records import Record

EQUAL: Final = 1e-9
"""Percentage points within which an error is the one that its counts give."""
REMOVE: Final = "remove this run folder to train it again"


def disagreements(record: Record) -> list[str]:
    """Return a line for each way in which a complete run contradicts itself; nothing for one that is not complete.

    Raises:
        FolderError: epoch lines that cannot be read.

    """
    lines, result, path = record.metrics, record.result, record.folder.path
    if result is None:
        return []
    wanted, epochs = record.run.recipe.epochs, [line.get("epoch") for line in lines]
    if epochs != list(range(wanted)):
        return [f"{path}/metrics.jsonl: holds epochs {_short(epochs)}, not 0 to {wanted - 1}; {REMOVE}"]
    told = result.figures()
    for name in (*CLASSIFIED, *DETECTED, "scored"):
        last = lines[-1].get(name)
        if name in told and last is not None and last != told[name]:
            return [f"{path}/result.json: says {name} {told[name]}, metrics.jsonl {last} at its last epoch; {REMOVE}"]
    found = [f"{path}/metrics.jsonl: epoch {line['epoch']}: {said}; {REMOVE}" for line in lines if (said := off(line))]
    return found[:1] or [f"{path}/result.json: {said}; {REMOVE}" for said in (off(told),) if said]


def off(figures: Mapping[str, Any]) -> str:
    """Say in what way the errors, in percent, are not those that the counts give; empty where they are, or none are."""
    scored = figures.get("scored")
    for name in ("top1", "top5"):
        error, correct = figures.get(f"error_{name}"), figures.get(f"correct_{name}")
        if error is None or correct is None or not scored:
            continue
        if not all(isinstance(figure, int | float) for figure in (error, correct, scored)):
            return f"error_{name} {error!r} of {correct!r} right among {scored!r} are not all numbers"
        counted = 100 * (scored - correct) / scored
        if not math.isclose(error, counted, rel_tol=0, abs_tol=EQUAL) or not 0 <= correct <= scored:
            return f"error_{name} {error} is not that of {correct} right among {scored} ({counted})"
    return ""


def _short(epochs: Sequence[Any]) -> str:
    shown = ", ".join(map(str, epochs[:4]))
    return f"{shown} ... {epochs[-1]}" if len(epochs) > 4 else shown or "none"
