"""What do factors' levels and trends say of a known truth? Measures of `inference.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import stats

from analysis.statistics.contrasts import contrasts, trend
from analysis.statistics.factorial import factorial
from analysis.statistics.families import holm
from analysis.statistics.paired import paired
from tests.benchmarks.simulated import CHECKED, MODELS, ROWS, Measured, draw, student

SIZES = (3, 5, 10)
LEVELS = tuple("abc")
PAIRS = ((0, 1), (0, 2), (1, 2))
CELLS = [(x, y) for x in LEVELS for y in LEVELS]


def cells(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """The interval of an interaction's cell in a 3 x 3 study whose last cell lacks the last two of five seeds.

    What a seed does to all rows has sd 1. In brackets how often an interval of the raw mean misses, as it was printed
    until this was measured.
    """
    few = max(studies // 5, CHECKED)
    for model in MODELS[:2]:
        of_seeds = generator.normal(0, 1, (few, 1, 5))
        figures = draw(model, generator, few, 5, (0.0,) * 8, of_seeds)
        truths = 25 + of_seeds.mean(axis=(1, 2))
        held, whole, raw = [], [], []
        for each, truth in zip(figures.tolist(), truths, strict=True):
            runs = {cell: dict(enumerate(of)) for cell, of in zip(CELLS, each, strict=True)}
            runs["c", "c"] = {seed: runs["c", "c"][seed] for seed in range(3)}
            found = factorial(runs, {"x": LEVELS, "y": LEVELS})
            (met,) = found.interactions
            off = {at: abs(mean - truth) for at, mean in met.means.items()}
            held.append(off["c", "c"] <= met.spans["c", "c"])
            whole.append(off["a", "a"] <= met.spans["a", "a"])
            alone = met.spans["a", "a"] * math.sqrt(5 / 3)
            raw.append(abs(np.mean(list(runs["c", "c"].values())) - truth) <= alone)
        for what, found in (("3 of 5 seeds", held), ("all seeds", whole)):
            title = f"interaction's cell of {what}, interval covers, {model}"
            yield Measured(title=title, found=100 * np.mean(found), n=few, claim="95 ± 1")
        yield Measured(title=f"(its raw mean's interval misses, {model})", found=100 - 100 * np.mean(raw), n=few)


def levels(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Three levels of a factor, each in three rows: does any two of them come out different that are not?

    `shared` adds what a seed does to all rows of one level, with the sd of a run's own deviation: a seed may suit a
    level. In brackets Tukey's test by the residual of the analysis of variance, which pools all rows, says the same,
    and how often each finds a level that is 1 sd of a run off.
    """
    for model in MODELS[:2]:
        for shared in (0.0, 0.25):
            for n in (3, 5):
                kind = f"{model}{', shared' if shared else ''}, {n} seeds"
                figures = draw(model, generator, studies, n, (0.0,) * 8).reshape(studies, 3, 3, n)
                if shared:
                    figures = figures + generator.normal(0, shared, (studies, 3, 1, n))
                p, tukey = _by_seed(figures), _by_tukey(figures)
                for index in range(CHECKED):
                    lines = [
                        {level: dict(enumerate(figures[index, x, y])) for x, level in enumerate(LEVELS)}
                        for y in range(3)
                    ]
                    found = [one.p_adjusted for one in contrasts(lines, LEVELS)]
                    assert np.allclose(found, p[index], atol=1e-9, equal_nan=True)
                yield Measured(title=f"contrasts, any error, {kind}", found=_any(p), n=studies, claim="at most 5")
                yield Measured(title=f"(by Tukey, {kind})", found=_any(tukey), n=studies)
                off = figures + 0.25 * np.array([0.0, 0.0, 1.0])[:, None, None]
                for name, test in (("found", _by_seed), ("found by Tukey", _by_tukey)):
                    yield Measured(title=f"(a level 1 sd off, {name}, {kind})", found=_any(test(off)), n=studies)


def _any(p: np.ndarray) -> float:
    return 100 * float(np.mean((p < 0.05).any(axis=1)))


def _by_seed(figures: np.ndarray) -> np.ndarray:
    """Return adjusted p of each two levels, shape (studies, 3), of figures of shape (studies, level, line, seed)."""
    of_levels = figures.mean(axis=2)
    pairs = [of_levels[:, later] - of_levels[:, earlier] for earlier, later in PAIRS]
    mean, error = student(np.stack(pairs, axis=1))
    return np.minimum(3 * 2 * stats.t.sf(np.abs(mean) / error, figures.shape[-1] - 1), 1)


def _by_tukey(figures: np.ndarray) -> np.ndarray:
    """Return 0.01 where Tukey's test at 5 % resolves two levels, else 1, in the same shape."""
    n = figures.shape[-1]
    freedom = 8 * (n - 1)
    residual = figures - figures.mean(axis=3, keepdims=True) - figures.mean(axis=(1, 2), keepdims=True)
    residual = residual + figures.mean(axis=(1, 2, 3), keepdims=True)
    error = np.sqrt((residual**2).sum(axis=(1, 2, 3)) / freedom / (3 * n))
    means = figures.mean(axis=(2, 3))
    apart = np.stack([np.abs(means[:, later] - means[:, earlier]) for earlier, later in PAIRS], axis=1)
    return np.where(apart > _range(freedom) * error[:, None], 0.01, 1.0)


@cache
def _range(freedom: int) -> float:
    return float(stats.studentized_range.isf(0.05, 3, freedom))


def pairs(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """A table against the row that looks best of six alike: is any other called different from it?

    In brackets as if that row had been declared as the baseline, by Holm over five comparisons and not over 15 pairs.
    """
    for model in MODELS[:2]:
        for n in SIZES:
            figures = draw(model, generator, studies, n, (0.0,) * ROWS)
            order = np.argsort(figures.mean(axis=-1), axis=1)
            figures = np.take_along_axis(figures, order[:, :, None], axis=1)
            mean, error = student(figures[:, 1:] - figures[:, :1])
            least = np.nanmin(2 * stats.t.sf(np.abs(mean) / error, n - 1), axis=1)
            for index in range(CHECKED):
                best, *others = figures[index]
                found = holm([paired(row, best).p for row in others], math.comb(1 + ROWS, 2))
                assert (np.nanmin(found) < 0.05) == (15 * least[index] < 0.05)
            wrong = 100 * float(np.mean(15 * least < 0.05))
            title = f"against the best row, any error, {model}, {n} seeds"
            yield Measured(title=title, found=wrong, n=studies, claim="at most 5")
            wrong = 100 * float(np.mean(ROWS * least < 0.05))
            yield Measured(title=f"(as if it had been declared, {model}, {n} seeds)", found=wrong, n=studies)


def trends(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """A baseline and four rows of rising level: does the slope err without an effect, and what does it find?

    In brackets where the first row is as the baseline and the last 1.5 sd of a run above it: how often the slope is
    found, how often by the residual of a model of lines and seeds, and how often any row differs from the baseline.
    """
    doublings = np.arange(4) - 1.5
    for model in MODELS:
        for n in SIZES:
            kind = f"{model}, {n} seeds"
            null = draw(model, generator, studies, n, (0.0,) * 4)
            p = _slope(null[:, 1:], doublings)
            for index in range(CHECKED):
                line = {str(2**level): dict(enumerate(of)) for level, of in enumerate(null[index, 1:])}
                found = trend([line], {level: float(level) for level in line})
                assert found is not None
                assert found.per == "doubling"
                assert found.slope is not None
                assert np.isclose(found.slope.p, p[index], atol=1e-9, equal_nan=True)
            wrong = 100 * float(np.mean(p < 0.05))
            claim = "" if model == "one-sided" else "at most 5"
            yield Measured(title=f"trend, error, {kind}", found=wrong, n=studies, claim=claim)
            if model == "normal":
                yield from _found(draw(model, generator, studies, n, (0.0, 0.125, 0.25, 0.375)), doublings, kind)


def _found(figures: np.ndarray, at: np.ndarray, kind: str) -> Iterator[Measured]:
    studies, _, n = figures.shape
    mean, error = student(figures[:, 1:] - figures[:, :1])
    rows = np.minimum(4 * 2 * stats.t.sf(np.abs(mean) / error, n - 1), 1)
    ours = figures[:, 1:] - figures[:, 1:].mean(axis=1, keepdims=True)
    slope = np.einsum("l,sln->s", at, ours) / n / (at**2).sum()
    residual = ours - slope[:, None, None] * at[:, None]
    freedom = 3 * n - 1
    spread = np.sqrt((residual**2).sum(axis=(1, 2)) / freedom / n / (at**2).sum())
    pooled = 2 * stats.t.sf(np.abs(slope) / spread, freedom)
    for name, p in (("slope", _slope(figures[:, 1:], at)), ("slope of a model of all rows", pooled)):
        yield Measured(title=f"(1.5 sd end to end, found by {name}, {kind})", found=100 * np.mean(p < 0.05), n=studies)
    yield Measured(title=f"(1.5 sd end to end, found by any row, {kind})", found=_any(rows), n=studies)


def _slope(figures: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return p of the slope over centred levels `at`, of figures of shape (studies, level, seed)."""
    mean, error = student(np.einsum("l,sln->sn", at, figures) / (at**2).sum())
    return 2 * stats.t.sf(np.abs(mean) / error, figures.shape[-1] - 1)
