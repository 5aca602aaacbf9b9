"""Studies drawn from a known truth, and shares of them that a claim is about.

A figure is 25 % + the row's effect + what the seed does to all rows alike (normal, sd 0.3 percentage points) + the
run's own deviation, which is

normal      normal, sd 0.25;
counts      exponential with the long side above, sd 0.25, and the error is counted on 10,000 test images;
one-sided   as counts, but the rows' deviations have sd 1 and the baseline's none, so that even differences are skewed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MODELS = ("normal", "counts", "one-sided")
IMAGES = 10_000
ROWS = 5
CHECKED = 20
"""How many studies of each kind also go through `analysis.statistics`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A share of `n` simulated studies, in percent, and what is claimed of it: nothing, a range, or a bound."""

    title: str
    found: float
    n: int
    claim: str = ""

    @property
    def holds(self) -> bool:
        """Whether the share is as claimed."""
        error = 300 * math.sqrt(0.05 * 0.95 / self.n)
        if self.claim == "95 ± 1":
            return abs(self.found - 95) <= (1 if self.n >= 10_000 else 1 + error)
        return self.claim != "at most 5" or self.found <= 5 + error

    def __str__(self) -> str:
        verdict = f"{self.claim}: {'holds' if self.holds else 'DOES NOT HOLD'}" if self.claim else ""
        return f"{self.title:62} {self.found:6.2f} %   n = {self.n:6}   {verdict}".rstrip()


def draw(
    model: str,
    generator: np.random.Generator,
    studies: int,
    n: int,
    effects: tuple[float, ...],
    of_seeds: np.ndarray | None = None,
) -> np.ndarray:
    """Return errors in percent, shape (studies, 1 + rows, n), baseline first; `of_seeds` has shape (studies, 1, n)."""
    shape = (studies, 1 + len(effects), n)
    of_seeds = generator.normal(0, 0.3, (studies, 1, n)) if of_seeds is None else of_seeds
    mean = 25 + of_seeds + np.array([0.0, *effects])[:, None]
    if model == "normal":
        return mean + generator.normal(0, 0.25, shape)
    spread = np.array([0.25 if model == "counts" else 0.0] + [0.25 if model == "counts" else 1.0] * len(effects))
    rate = mean + spread[:, None] * (generator.exponential(1, shape) - 1)
    return generator.binomial(IMAGES, rate / 100) * (100 / IMAGES)


def student(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over the last axis and its standard error; NaN where all differences are equal."""
    sd = differences.std(axis=-1, ddof=1)
    return differences.mean(axis=-1), np.where(sd > 1e-9, sd, np.nan) / math.sqrt(differences.shape[-1])
