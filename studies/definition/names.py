"""Names that are too long for where they stand: a file's, W&B's."""

from __future__ import annotations

import hashlib


def shortened(name: str, most: int) -> str:
    """Return a name of at most `most` bytes in UTF-8: itself, or how it begins and eight hex digits of its hash."""
    if len(name.encode()) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: most - len(digest) - 1].decode(errors="ignore") + f"~{digest}"
