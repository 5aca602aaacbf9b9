"""How often is a row without any effect once called better or worse as its seeds come in? A measure of `inference.py`.

The table is looked at with 2 seeds and again with each that comes in, as nothing keeps a person from; only the last
look has the level that p is held against.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.paired import paired
from tests.benchmarks.simulated import CHECKED, MODELS, ROWS, Measured, draw, student


def watched(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows without any difference: any called better or worse at some look from 2 seeds on, and at the last."""
    for model in MODELS[:2]:
        for n in (5, 10):
            figures = draw(model, generator, studies, n, (0.0,) * ROWS)
            difference = figures[:, 1:] - figures[:, :1]
            once = np.zeros(studies, dtype=bool)
            for seen in range(2, n + 1):
                mean, error = student(difference[..., :seen])
                p = 2 * stats.t.sf(np.abs(mean) / error, seen - 1)
                for index in range(CHECKED):
                    told = [paired(row[:seen], figures[index, 0, :seen]).p for row in figures[index, 1:]]
                    assert np.allclose(told, p[index], atol=1e-9, equal_nan=True)
                resolved = (p * ROWS < 0.05).any(axis=1)
                once |= resolved
            title = f"(any row better or worse, {model}, watched from 2 to {n} seeds)"
            yield Measured(title=title, found=100 * float(np.mean(once)), n=studies)
            title = f"any row better or worse, {model}, looked at once with {n} seeds"
            yield Measured(title=title, found=100 * float(np.mean(resolved)), n=studies, claim="at most 5")
