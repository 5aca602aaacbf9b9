"""What the runs of one comparison should share beside their `Run`: machine, versions, commit, images."""

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
"""Under which name the first attempt has the causes of those that have failed."""
_SORTED: Final = json.JSONEncoder(sort_keys=True)


def circumstances(manifest: Mapping[str, Any]) -> str:
    """Return the entries of `SHARED` of each attempt that the figures rest on, and of what others failed before, as
    JSON: a text, so that many runs are counted at once.
    """
    attempts = [{name: made[name] for name in SHARED if made.get(name) is not None} for made in effective(manifest)]
    causes = [str(made.get("cause")) for made in manifest.get("attempts") or () if "failed" in made]
    return _SORTED.encode([attempts[0] | {FAILED: causes}, *attempts[1:]] if causes else attempts)


@lru_cache(maxsize=1024)
def by_attempt(text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of `SHARED` in what `circumstances` returned, attempt by attempt."""
    return tuple(json.loads(text))


def failures(text: str) -> tuple[str, ...]:
    """Return the causes of the attempts that had failed before the figures came, from what `circumstances` returned."""
    return tuple(by_attempt(text)[0].get(FAILED, ()))
