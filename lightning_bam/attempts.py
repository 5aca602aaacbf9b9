"""The attempts at a run, as its manifest keeps them: which have failed, and which of them its figures rest on.

An attempt goes on from the checkpoint of the one before it, or begins anew. Figures rest on the last attempt that began
anew and on those that went on from it; what was tried before stays in the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

KEPT: Final = 20
"""Attempts that are kept of those that nothing rests on any more, the last ones."""
LONGEST: Final = 300
"""Characters of what an attempt failed of that are kept with it; the manifest and the log have more of the last one."""


def after_failure(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts of a run that has failed, the last one with what it failed of."""
    made = _ended(manifest)
    if made and "failed" not in made[-1]:
        made[-1] |= {"failed": str(manifest.get("error") or "no reason is recorded")[:LONGEST]}
    return made


def earlier(manifest: Mapping[str, Any], *, resumed: bool) -> list[dict[str, Any]]:
    """Return the attempts that came before one that goes on from a checkpoint, or else begins anew."""
    made = after_failure(manifest) if manifest.get("state") == "failed" else _ended(manifest)
    return made if resumed else made[-KEPT:]


def effective(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the attempts that the figures rest on, the earliest first; a record of an older version is one."""
    made = manifest.get("attempts") or [manifest]
    return made[max((place for place, one in enumerate(made) if one.get("anew")), default=0) :]


def _ended(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts, the last one with the cause of its end, where one is recorded."""
    made = [dict(one) for one in manifest.get("attempts") or ()]
    if made and manifest.get("cause") and "failed" not in made[-1]:
        made[-1] |= {"cause": manifest["cause"]}
    return made
