"""What skew and collapsed runs do to a t-test: a measure of `inference.py`. Nothing is claimed where there are any."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from tests.benchmarks.simulated import ROWS, Measured, student

DEPTH = 65.0
"""Percentage points by which a collapsed run's error is above that of the others."""


def collapsed(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows, none with an effect on the mean: any row called different, by Bonferroni over five."""
    for n in (3, 5, 10):
        shape = (studies, ROWS, n)
        normal, base = generator.normal(0, 0.25, shape), generator.normal(0, 0.25, (studies, 1, n))
        collapses = (generator.random((studies, 1, n)) < 0.1) * DEPTH - 0.1 * DEPTH
        skewed = generator.exponential(1, shape) - 1
        one = normal + np.concatenate([collapses, np.zeros((studies, ROWS - 1, n))], axis=1)
        for rows, differences, claim in (
            ("normal rows", normal - base, "at most 5"),
            ("exponential rows beside a steady baseline", skewed, ""),
            ("a row that collapses at one seed in ten", one - base, ""),
        ):
            mean, error = student(differences)
            wrong = (2 * stats.t.sf(np.abs(mean) / error, n - 1) * ROWS < 0.05).any(axis=1)
            title = f"{rows}, any error, {n} seeds" if claim else f"({rows}, any error, {n} seeds)"
            yield Measured(title=title, found=100 * float(wrong.mean()), n=studies, claim=claim)
