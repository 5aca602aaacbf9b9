"""How often are published figures refused that agree with ours, and what is said of one that does not?

Measures of `inference.py`. The paper's runs are drawn as ours are, the row's and the baseline's at seeds of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.paired import paired, predicted_difference, prediction_interval
from analysis.table.published import WIDEST, compatible, compatible_difference
from tests.benchmarks.simulated import CHECKED, MODELS, Measured, draw, student

SD = 0.39
"""Of a normal run, in percentage points: the seed's 0.3 and its own 0.25."""
CLAIMED = -0.93
"""Δ that the paper prints, where ours is truly 0."""


def published(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Published figures and differences: those that agree with ours, then a Δ of -0.93 where the truth is 0 and so."""
    for model in MODELS:
        for n in (3, 5, 10):
            baseline, ours = np.moveaxis(draw(model, generator, studies, n + 2, (0.4,)), 1, 0)
            figure, difference = ours[:, n], ours[:, n] - baseline[:, n + 1]
            ours, baseline = ours[:, :n], baseline[:, :n]
            alone, both = _alone(ours), _difference(ours, baseline)
            for index in range(CHECKED):
                for found, expected in (
                    (prediction_interval(ours[index]), alone[:, index]),
                    (predicted_difference(ours[index], baseline[index]), both[:, index]),
                ):
                    assert np.allclose(found, expected, atol=1e-9, equal_nan=True)
            for what, value, (low, high) in (("figure", figure, alone), ("Δ", difference, both)):
                claim = "" if model == "one-sided" else "at most 5"
                refused = 100 * np.mean((value < low) | (value > high))
                title = f"published {what} that agrees is refused, {model}, {n} seeds"
                yield Measured(title=title, found=refused, n=studies, claim=claim)
    for truth in (0.0, CLAIMED):
        for sd in (0.2, 0.3):
            yield from _claimed(generator, studies, truth, sd)


def _claimed(generator: np.random.Generator, studies: int, truth: float, sd: float) -> Iterator[Measured]:
    """What five seeds say of `CLAIMED`, where the paper's levels lie on both sides of ours by half of it each."""
    drawn = 25 + (draw("normal", generator, studies, 5, (0.0,)) - 25) * (sd / SD)
    baseline, ours = drawn[:, 0], drawn[:, 1] + truth
    low, high = _difference(ours, baseline)
    mean, error = student(ours - baseline)
    inside = (low <= CLAIMED) & (high >= CLAIMED)
    resolved = mean + stats.t.ppf(0.975, 4) * error < 0
    for index in range(CHECKED):
        said = compatible_difference(ours[index], baseline[index], paired(ours[index], baseline[index]), CLAIMED)
        expected = ("cannot tell", "compatible")[int(resolved[index])] if inside[index] else "not compatible"
        assert said == expected
    levels = np.ones(studies, dtype=bool)
    for of, printed in ((baseline, 25 - (CLAIMED - truth) / 2), (ours, 25 + truth + (CLAIMED - truth) / 2)):
        below, above = _alone(of)
        told = (below <= printed) & (printed <= above) & (above - below <= 2 * WIDEST)
        assert [compatible(list(figures), printed) == "compatible" for figures in of[:CHECKED]] == told[
            :CHECKED
        ].tolist()
        levels &= told
    where = f"Δ {CLAIMED} where it is {truth:g}, run sd {sd:g}, 5 seeds"
    for what, share in (
        ("both levels compatible", levels),
        ("compatible", inside & resolved),
        ("not compatible", ~inside),
    ):
        yield Measured(title=f"({what}: {where})", found=100 * np.mean(share), n=studies)


def _alone(figures: np.ndarray) -> np.ndarray:
    """Return the prediction intervals of one more run, shape (2, studies)."""
    mean, error = student(figures)
    n = figures.shape[1]
    return mean + np.multiply.outer(stats.t.ppf([0.025, 0.975], n - 1), error * np.sqrt(n + 1))


def _difference(ours: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return the prediction intervals of the difference of two more runs, shape (2, studies)."""
    n = ours.shape[1]
    a, b = ours.var(axis=1, ddof=1), baseline.var(axis=1, ddof=1)
    both = ((ours - ours.mean(axis=1, keepdims=True)) * (baseline - baseline.mean(axis=1, keepdims=True))).sum(axis=1)
    c = both / (n - 1)
    more = 1 / n
    top, bottom = (1 + more) * a - more * c, (1 + more) * b - more * c
    across = ((1 + more) * c - more * b) * ((1 + more) * c - more * a)
    variance = top + bottom
    with np.errstate(invalid="ignore"):
        freedom = (n - 1) * variance**2 / (top**2 + 2 * across + bottom**2)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    mean = (ours - baseline).mean(axis=1)
    return np.array([mean - half, mean + half])
