"""How far from the truth is the Δ of a row that a stopping rule calls different? A measure of `inference.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.sequential import limits
from analysis.table.interim import interim
from studies.definition.stopping import Stopping
from tests.benchmarks.simulated import CHECKED, ROWS, Measured, draw, student

SD = 0.25 * math.sqrt(2)
"""Of a normal row's difference from its baseline, in percentage points."""


def stopped(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Seeds by a stopping rule, five rows of one true difference: the mean Δ of those called different, over the truth.

    Of it nothing is claimed; its n counts those rows. The repeated intervals are to hold the truth at
    every look of every row.
    """
    rule = Stopping()
    differs = limits(rule.looks, rule.level / ROWS)
    for effect in (0.5, 0.8, 1.0):
        truth = effect * SD
        figures = draw("normal", generator, studies, rule.most, (truth,) * ROWS)
        difference = figures[:, 1:] - figures[:, :1]
        delta, look = np.full((studies, ROWS), np.nan), np.zeros((studies, ROWS), dtype=int)
        outside = np.zeros((studies, ROWS), dtype=bool)
        for place, n in enumerate(rule.looks):
            mean, error = student(difference[..., :n])
            reach = stats.t.isf(differs[place] / 2, n - 1) * error
            outside |= np.abs(mean - truth) > reach
            met = (look == 0) & (np.abs(mean) >= reach)
            delta[met], look[met] = mean[met], n
        for index in range(CHECKED):
            base, *rows = (dict(enumerate(of.tolist())) for of in figures[index])
            for place, row in enumerate(rows):
                found = interim(row, base, range(rule.most), rule, ROWS)
                assert (found.outcome == "different") == (look[index, place] > 0)
                if found.outcome == "different":
                    assert found.delta is not None
                    assert found.delta.n == look[index, place]
                    assert math.isclose(found.delta.mean, delta[index, place], abs_tol=1e-9)
        for name, which in (("different", look > 0), ("different at 8 seeds", look == 8)):
            title = f"(mean Δ if called {name}, over the true {effect:g} sd)"
            if which.any():
                share = 100 * float(delta[which].mean()) / truth
                yield Measured(title=title, found=share, n=int(which.sum()))
        wrong = 100 * float(np.mean(outside.any(axis=1)))
        title = f"four looks, any repeated interval misses {effect:g} sd"
        yield Measured(title=title, found=wrong, n=studies, claim="at most 5")
