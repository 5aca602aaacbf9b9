"""Seeds for independent random streams: each is a pure function of the run's seed and of what it is for."""

from __future__ import annotations

import hashlib


def stream(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose, such as `stream(seed, "attention", "layer1")`."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
