"""What the runs of one comparison should share beside their `Run`: machine, versions, commit, images."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from lightning_bam.run_folder.manifest import ENTRIES, Manifest

SHARED: Final = {name: entry.label for name, entry in ENTRIES.items() if name not in ("python", "host")}
"""Entries of the manifest that the runs of one comparison should share, and what a note calls them."""
FAILED: Final = "failed"
"""Under which name the first attempt has the causes of those that have failed."""
_SORTED: Final = json.JSONEncoder(sort_keys=True)


def circumstances(manifest: Manifest) -> str:
    """Return the entries of `SHARED` of each attempt that the figures rest on, and of what others failed before, as
    JSON: a text, so that many runs are counted at once.
    """
    attempts = [made.model_dump(include=set(SHARED), exclude_none=True) for made in manifest.effective]
    failed = [str(made.cause) for made in manifest.attempts if made.failed is not None]
    return _SORTED.encode([attempts[0] | {FAILED: failed}, *attempts[1:]] if failed else attempts)


@lru_cache(maxsize=1024)
def by_attempt(text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of `SHARED` in what `circumstances` returned, attempt by attempt."""
    return tuple(json.loads(text))


def failures(text: str) -> tuple[str, ...]:
    """Return the causes of the attempts that had failed before the figures came, from what `circumstances` returned."""
    return tuple(by_attempt(text)[0].get(FAILED, ()))
