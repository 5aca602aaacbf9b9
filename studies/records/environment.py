"""What the runs of one comparison should share beside their `Run`: machine, versions, commit, images."""

from typing import Final

from lightning_bam.run_folder.manifest import ENTRIES, Manifest

SHARED: Final = {name: entry.label for name, entry in ENTRIES.items() if name not in ("python", "host")}
"""Entries of an attempt that the runs of one comparison should share, and what a note calls them."""


def failures(manifest: Manifest) -> tuple[str, ...]:
    """Return the causes of the attempts that had failed before the figures came."""
    return tuple(str(attempt.cause) for attempt in manifest.attempts if attempt.failed is not None)
