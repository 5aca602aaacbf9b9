"""Which differences there can be: a t interval of two seeds knows of no bounds, figures in percent have some."""

from __future__ import annotations

from typing import Final

MOST: Final = 100.0
"""No figure that differences are taken of is larger, nor differs by more: all of them are in percent."""


def possible(difference: float) -> float:
    """Return the difference, or where there can be none as large the largest that there can be; NaN as it is."""
    return min(max(difference, -MOST), MOST)
