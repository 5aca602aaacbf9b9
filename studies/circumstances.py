"""What the runs of one comparison should share beside what they were told: machine, versions, commit, images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

SHARED: Final = ("commit", "version", "torch", "world_size", "device", "cpu", "threads", "data")
"""Entries of the manifest that the runs of one comparison should share."""


def circumstances(manifest: Mapping[str, Any]) -> str:
    """Return what each attempt of a run was trained with, as JSON: a text, so that many runs are counted at once."""
    made = manifest.get("attempts") or [manifest]
    told = [{name: attempt[name] for name in SHARED if attempt.get(name) is not None} for attempt in made]
    return json.dumps(told, sort_keys=True)


@lru_cache(maxsize=1024)
def attempts(told: str) -> tuple[Mapping[str, Any], ...]:
    """Return what `circumstances` told: the entries of `SHARED` that were recorded, attempt by attempt."""
    return tuple(json.loads(told))
