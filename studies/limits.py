"""How much of a thing somebody may mean; loads nothing, so that the command line knows it, too."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 120
"""Characters of a study's name or a row's label: what a file's name, a plot's key and a table's column can hold."""
MOST_SEEDS: Final = 100_000
"""Seeds that a study can ask for."""
MOST_RANKS: Final = 1024
"""Ranks of a run, runs of a device, or threads of a rank."""
