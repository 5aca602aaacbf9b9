"""Where things are kept that cost nothing but time to lose."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """Return `$BAM_CACHE`, else `lightning-bam` in the user's cache folder.

    Raises:
        RuntimeError: this user has no home folder.

    """
    home = os.environ.get("BAM_CACHE")
    return Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "lightning-bam").expanduser()
