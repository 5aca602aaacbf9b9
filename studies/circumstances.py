"""What the runs of one comparison should share beside what they were told: machine, versions, commit, images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

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
_SORTED: Final = json.JSONEncoder(sort_keys=True)


def attempts(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what each attempt at a run was made with, the earliest first; a record of an older version is one."""
    return manifest.get("attempts") or [manifest]


def circumstances(manifest: Mapping[str, Any]) -> str:
    """Return the entries of `SHARED` of each attempt as JSON: a text, so that many runs are counted at once."""
    told = [{name: made[name] for name in SHARED if made.get(name) is not None} for made in attempts(manifest)]
    return _SORTED.encode(told)


@lru_cache(maxsize=1024)
def by_attempt(told: str) -> tuple[Mapping[str, Any], ...]:
    """Return what `circumstances` told: the entries of `SHARED` that were recorded, attempt by attempt."""
    return tuple(json.loads(told))
