"""Two runs with the same figures: the mark of a run folder, or a part of one, that was copied over another."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from analysis.verification.finding import Finding
from analysis.verification.folders import Checked
from lightning_bam.run_folder.hashes import hash_text

NOT_COMPUTED: Final = ("epoch", "lr", "seconds")
"""What an epoch's line holds besides figures that the training computed."""
ENOUGH: Final = 8
"""Samples of a first batch that two seeds will not draw alike by chance."""
ONCE_IN: Final = 1e-6
"""Equal times that are less probable than this are no chance."""


def copies(runs: Iterable[Checked]) -> list[Finding]:
    """Name runs whose figures, epoch by epoch, are those of another run.

    At another seed that is always a copy. At the same seed it is one where both name one attempt, or where every epoch
    also took the same time to the millisecond and chance does not explain that; else it is a note: the change between
    the two rows changed nothing. A first batch that another seed drew
    is a copy, too, whatever the figures say.
    """
    first: dict[str, Checked] = {}
    batches: dict[str, Checked] = {}
    found = []
    for run in runs:
        if not run.complete or run.problems:
            continue
        other = first.setdefault(key, run) if (key := trajectory(run)) else run
        drawn = first_batch(run)
        drawer = batches.setdefault(drawn, run) if drawn else run
        if other is not run:
            found.append(_twin(run, other))
        elif drawer.cell.run.seed != run.cell.run.seed:
            found.append(
                run.finding(
                    f"{run.folder.path}/manifest.json: first_batch is that of {_named(drawer)}, though the seed "
                    "differs: copied; remove the copy to train it again"
                )
            )
    return found


def _twin(run: Checked, other: Checked) -> Finding:
    same_seed = run.cell.run.seed == other.cell.run.seed
    path, named = f"{run.folder.path}/metrics.jsonl", _named(other)
    same_attempt = nonce(run) is not None and nonce(run) == nonce(other)
    same_times = seconds(run) == seconds(other) and chance(seconds(run)) < ONCE_IN
    if same_seed and not same_attempt and not same_times:
        return Finding(
            level="note",
            text=f"{path}: has the losses of {named}: what sets them apart changed nothing",
            study=run.study,
            row=run.cell.row or None,
            seed=run.cell.run.seed,
        )
    though = "to the millisecond of every epoch" if same_times else "and its attempt"
    though = though if same_seed else "though the seed differs"
    return run.finding(
        f"{path}: has the losses of {named}, {though}: one was copied over the other; remove both folders to train "
        "them again"
    )


def _named(run: Checked) -> str:
    at = f" ({run.study}, row {run.cell.row!r}, seed {run.cell.run.seed})" if run.study is not None else ""
    return f"{run.folder.path.name}{at}"


def trajectory(run: Checked) -> str:
    """Return a hash of what the training computed, epoch by epoch; empty where no loss is among it."""
    lines = _lines(run)
    if not any("train_loss" in line for line in lines):
        return ""
    computed = [{name: line[name] for name in sorted(line) if name not in NOT_COMPUTED} for line in lines]
    return hash_text(json.dumps(computed))


def seconds(run: Checked) -> list[float | None]:
    """Return how long each epoch took; None where that was not recorded."""
    return [line.get("seconds") for line in _lines(run)]


def chance(times: Sequence[float | None]) -> float:
    """Return how probable it is that another run's epochs take the same times to the millisecond.

    Two draws from a normal distribution round to the same millisecond with a probability of 1 / (2 sqrt(pi) sd), sd in
    milliseconds; it is estimated by the median absolute deviation, as the first epoch often takes longer. Nothing is
    known of one epoch alone.

    Args:
        times: seconds of each epoch; None where that was not recorded.

    """
    known = [1000 * time for time in times if time is not None]
    if len(known) < 2 or len(known) < len(times):
        return 1.0
    middle = median(known)
    sd = 1.4826 * median(abs(time - middle) for time in known)
    return min(1.0, 1 / (2 * math.sqrt(math.pi) * max(sd, 0.3))) ** len(known)


def nonce(run: Checked) -> str | None:
    """Return the name of the attempt that finished the run; records of older versions have none."""
    return run.record.manifest.nonce if run.record else None


def first_batch(run: Checked) -> str:
    """Return a hash of the samples of the first batch; empty where they were not recorded, or are few."""
    drawn = run.record.manifest.first_batch if run.record else None
    return hash_text(json.dumps(drawn)) if isinstance(drawn, list) and len(drawn) >= ENOUGH else ""


def _lines(run: Checked) -> Sequence[dict[str, Any]]:
    return run.record.metrics if run.record else ()
