"""What the runs of one comparison should share beside what they were told: machine, versions, commit, images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from lightning_bam.run_folder.manifest import effective

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
FAILED: Final = "failed"
"""Under which name the first attempt is told with the causes of those that have failed."""
_SORTED: Final = json.JSONEncoder(sort_keys=True)


def circumstances(manifest: Mapping[str, Any]) -> str:
    """Return the entries of `SHARED` of each attempt that the figures rest on, and of what others failed before, as
    JSON: a text, so that many runs are counted at once.
    """
    told = [{name: made[name] for name in SHARED if made.get(name) is not None} for made in effective(manifest)]
    failed = [str(made.get("cause")) for made in manifest.get("attempts") or () if "failed" in made]
    return _SORTED.encode([told[0] | {FAILED: failed}, *told[1:]] if failed else told)


@lru_cache(maxsize=1024)
def by_attempt(told: str) -> tuple[Mapping[str, Any], ...]:
    """Return what `circumstances` told: the entries of `SHARED` that were recorded, attempt by attempt."""
    return tuple(json.loads(told))


def failures(told: str) -> tuple[str, ...]:
    """Return the causes of the attempts that had failed before the figures came, as `circumstances` told them."""
    return tuple(by_attempt(told)[0].get(FAILED, ()))
