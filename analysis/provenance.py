"""With what the runs of a table were trained, as their manifests tell it, and how long that took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from studies.records import Record

UNKNOWN: Final = "not recorded"
SHARED: Final = {
    "commit": "commit",
    "version": "lightning-bam",
    "torch": "torch",
    "torchvision": "torchvision",
    "pytorch_lightning": "Lightning",
    "data": "images",
    "world_size": "ranks a run",
    "device": "device",
    "cpu": "CPU instructions",
    "threads": "threads a rank",
}
"""Entries of the manifest that the runs of one comparison should share, and what a note calls them."""
CODE: Final = frozenset(("commit", "version", "torch", "torchvision", "pytorch_lightning", "data"))
"""Those of them in which runs differ that would not come out the same if they were trained today."""


def attempts(record: Record) -> list[dict[str, Any]]:
    """Return what each attempt at a run was made with, the earliest first; a record of an older version is one."""
    return record.manifest.get("attempts") or [record.manifest]


def made_with(record: Record) -> tuple[str, ...]:
    """Return what a run was trained with, as text, in the order of `SHARED`.

    An entry has more than one value where the run was interrupted and went on with another.
    """
    first, *others = attempts(record)
    if not others:
        return tuple([_shown(first.get(entry)) for entry in SHARED])
    values = ([_shown(made.get(entry)) for made in (first, *others)] for entry in SHARED)
    return tuple(", then ".join(dict.fromkeys(texts)) for texts in values)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    return UNKNOWN if value is None else json.dumps(value, sort_keys=True, default=str)


def device_seconds(record: Record) -> float | None:
    """Return a finished run's training time in seconds, times the ranks that spent it; None where nobody noted them.

    It is the wall time of the epochs of which the result is made, scoring included. Where attempts had different
    numbers of ranks, each epoch counts with those of the attempt that finished it. Start-up is not in it, nor what
    was done twice after an interruption. Runs that share a device are counted as if each had one for itself.
    """
    made = attempts(record)
    ranks = [count for attempt in made if isinstance(count := attempt.get("world_size"), int)]
    if record.result is None or len(ranks) < len(made):
        return None
    if len(ranks) == 1 or len(set(ranks)) == 1:
        return record.result.seconds * ranks[0]
    begins = [attempt.get("from_epoch", 0) for attempt in made] + [record.result.epochs]
    return sum(
        float(line.get("seconds", 0.0)) * count
        for count, (first, end) in zip(ranks, pairwise(begins), strict=True)
        for line in record.metrics[first:end]
    )


def device_hours(records: Sequence[Record]) -> tuple[float, int]:
    """Return the hours of `device_seconds` of all these runs together, and of how many runs they are known."""
    known = [seconds for record in records if (seconds := device_seconds(record)) is not None]
    return sum(known) / 3600, len(known)
