"""With what the runs of a table were trained, as their manifests tell it, and how long that took."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from lightning_bam.run_folder.manifest import SHARED
from studies.records.records import Record

UNKNOWN: Final = "not recorded"
CODE: Final = frozenset(("commit", "version", "torch", "torchvision", "timm", "pytorch_lightning", "data"))
"""Those entries of `SHARED` in which runs differ that would not come out the same if they were trained today."""


def made_with(record: Record) -> tuple[str, ...]:
    """Return what a run was trained with, as text, in the order of `SHARED`."""
    attempts = record.manifest.effective
    return tuple(over_attempts(getattr(attempt, entry) for attempt in attempts) for entry in SHARED)


def over_attempts(values: Iterable[object]) -> str:
    """Return what a run's attempts were made with, as text; what changed from one to another in order."""
    return ", then ".join(dict.fromkeys(map(_text, values)))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return UNKNOWN if value is None else json.dumps(value, sort_keys=True, default=str)


def device_seconds(record: Record) -> float | None:
    """Return a finished run's training time in seconds, times the devices that it had; None where nobody noted them.

    It is the wall time of the epochs of which the result is made, scoring included. Where attempts had different
    numbers of devices, each epoch counts with those of the attempt that finished it, as the folder tells. Start-up is
    not in it, nor what was done twice after an interruption. Of a device for several runs each has its share, also
    where the others have ended; records of older versions do not tell, and each counts as if it had one for itself.
    """
    noted = [attempt.devices for attempt in record.manifest.effective]
    devices = [count for count in noted if count is not None]
    if record.result is None or len(devices) < len(noted):
        return None
    if len(set(devices)) == 1:
        return record.result.seconds * devices[0]
    begins = [attempt.from_epoch or 0 for attempt in record.manifest.effective] + [record.result.epochs]
    return sum(
        float(line.get("seconds", 0.0)) * count
        for count, (first, end) in zip(devices, pairwise(begins), strict=True)
        for line in record.metrics[first:end]
    )


def device_hours(records: Sequence[Record]) -> tuple[float, int]:
    """Return the hours of `device_seconds` of all these runs together, and of how many runs they are known."""
    seconds = [one for record in records if (one := device_seconds(record)) is not None]
    return sum(seconds) / 3600, len(seconds)
