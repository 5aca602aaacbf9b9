"""How much of a thing somebody may mean; loads little, so that the command line knows it, too."""

import hashlib
from typing import Final

LONGEST: Final = 120
"""Characters of a study's name or a row's label: what a file's name, a plot's key and a table's column can hold."""
LABEL_BYTES: Final = 180
"""Bytes of a study's label, which is a part of files' names (255 bytes) and Optuna's name of the study."""
LAST_SEED: Final = 2**31 - 1
"""The greatest seed that a `Run` takes."""
MOST_SEEDS: Final = 100_000
"""Seeds that a study can ask for."""
MOST_LOOKED: Final = 1000
"""Seeds at the last look of a stopping rule, whose limits take a step of computation a seed, and its spare seeds."""
MOST_RANKS: Final = 1024
"""Ranks of a run, runs of a device, or threads of a rank."""


def shortened(name: str, most: int) -> str:
    """Return a name of at most `most` bytes in UTF-8: itself, or how it begins and eight hex digits of its hash."""
    if len(name.encode()) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: most - len(digest) - 1].decode(errors="ignore") + f"~{digest}"
