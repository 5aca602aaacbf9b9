"""Are verdicts right where the runs that fail are those that speak against them? A measure of `inference.py`.

No row differs, or each by just the margin, and of n seeds those of each row's worst runs fail, those of the baseline's
best, or those of the worst pairs. Called better are the rows whose p is below the level also with the failed pairs
against them (`analysis.statistics.failed_pairs`); of the pairs that are left alone nothing is claimed. What that costs
is measured on rows that are better, where seeds fail for no reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.failed_pairs import p_different, p_equivalent
from analysis.statistics.sequential import limits
from analysis.table.interim import interim
from studies.definition.stopping import Stopping
from tests.benchmarks.simulated import CHECKED, ROWS, Measured, draw, student

SIZES = ((5, 1), (10, 2), (16, 2), (30, 1))
"""Seeds, and how many of them fail."""
MARGIN = 0.5
EFFECT = 1.0
"""By which a row is better, in percentage points: three standard deviations of a pair's difference."""


def failed_pairs(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Any of five rows wrongly better, or equivalent, by number of seeds and by what fails; by a rule with spares."""
    for model in ("normal", "counts"):
        for n, lost in SIZES:
            figures = draw(model, generator, studies, n, (0.0,) * ROWS)
            for what, seen in survivors(figures, lost).items():
                yield from _wrong(f"better, {what} fail, {model}, {n - lost} of {n}", seen, 0.0, lost)
            figures = draw(model, generator, studies, n, (MARGIN,) * ROWS)
            seen = survivors(figures, lost)["each row's worst"]
            yield from _wrong(f"equivalent, each row's worst fail, {model}, {n - lost} of {n}", seen, MARGIN, lost)
            yield from _found(model, generator, studies, n, lost)
        yield from _by_rule(model, generator, studies)


def survivors(figures: np.ndarray, lost: int) -> dict[str, np.ndarray]:
    """Return the differences of the seeds that are left, shape (studies, rows, n - lost), by what fails."""
    base, rows = figures[:, :1], figures[:, 1:]
    keys = {"each row's worst": -rows, "the baseline's best": base, "the worst pairs": base - rows}
    order = {what: np.argsort(np.broadcast_to(key, rows.shape), axis=-1) for what, key in keys.items()}
    return {what: np.take_along_axis(rows - base, place[..., lost:], -1) for what, place in order.items()}


def p_below(seen: np.ndarray, lost: int) -> np.ndarray:
    """Return `analysis.statistics.failed_pairs.p_below` over the last axis."""
    far = np.abs(seen).max(axis=-1, keepdims=True)
    mean, error = student(np.concatenate([seen, np.repeat(far, lost, axis=-1)], axis=-1))
    return np.asarray(stats.t.cdf(mean / error, seen.shape[-1] + lost - 1))


def _p(seen: np.ndarray, margin: float, lost: int) -> np.ndarray:
    """Return p of being better than 0, or with a margin of being equivalent."""
    if margin:
        return np.maximum(p_below(seen - margin, lost), p_below(-seen - margin, lost))
    return 2 * p_below(seen, lost)


def _found(model: str, generator: np.random.Generator, studies: int, n: int, lost: int) -> Iterator[Measured]:
    """Measure how often a row that is better by `EFFECT` is called so where seeds fail for no reason."""
    figures = draw(model, generator, studies, n, (-EFFECT,) * ROWS)
    seen = (figures[:, 1:] - figures[:, :1])[..., lost:]
    for counted, pairs in ((0, ", pairs left alone"), (lost, "")):
        called = (seen.mean(axis=-1) < 0) & (_p(seen, 0.0, counted) * ROWS < 0.05)
        title = f"(better by {EFFECT:g} called so, {model}, {n - lost} of {n}{pairs})"
        yield Measured(title=title, found=100 * float(np.mean(called)), n=studies)


def _by_rule(model: str, generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Measure looks at 4, 8, 12 and 16 seeds and two spare ones, where the two worst pairs of each row fail."""
    rule = Stopping(looks=(4, 8, 12, 16), spare=2)
    differs = limits(rule.looks, rule.level / ROWS)
    figures = draw(model, generator, studies, rule.declared, (0.0,) * ROWS)
    difference = figures[:, 1:] - figures[:, :1]
    fails = np.argsort(np.argsort(-difference, axis=-1), axis=-1) < rule.spare
    left = np.argsort(fails, axis=-1, kind="stable")[..., : rule.most]  # the seeds that are left, in their order
    seen = np.take_along_axis(difference, left, axis=-1)
    naive, wrong = np.zeros((2, studies, ROWS), dtype=bool)
    for place, n in enumerate(rule.looks):
        passed = left[..., n - 1] + 1 - n
        below = seen[..., :n].mean(axis=-1) < 0
        p = np.stack([2 * p_below(seen[..., :n], lost) for lost in range(rule.spare + 1)])
        naive |= below & (p[0] <= differs[place])
        wrong |= below & (np.take_along_axis(p, passed[None], axis=0)[0] <= differs[place])
    for index in range(CHECKED):
        base, *rows = (dict(enumerate(of.tolist())) for of in figures[index])
        for place, row in enumerate(rows):
            failed = {int(seed): "" for seed in np.flatnonzero(fails[index, place])}
            kept = {seed: figure for seed, figure in row.items() if seed not in failed}
            found = interim(kept, base, range(rule.declared), rule, ROWS, failed=failed)
            better = found.outcome == "different" and found.delta is not None and found.delta.mean < 0
            assert better == wrong[index, place]
    title = f"any better, four looks, the worst pairs have spares, {model}"
    yield Measured(title=f"({title}, pairs left alone)", found=100 * np.mean(naive.any(axis=1)), n=studies)
    yield Measured(title=title, found=100 * np.mean(wrong.any(axis=1)), n=studies, claim="at most 5")


def _wrong(title: str, seen: np.ndarray, margin: float, lost: int) -> Iterator[Measured]:
    studies = len(seen)
    for index in range(CHECKED):
        for row, found in zip(seen[index].tolist(), _p(seen[index], margin, lost), strict=True):
            told = p_equivalent(row, lost, margin) if margin else p_different(row, lost)
            if margin or np.mean(row) < 0:
                assert np.isclose(told, min(found, 1), rtol=1e-6, equal_nan=True)
    for counted, form in ((0, "(any {}, pairs left alone)"), (lost, "any {}")):
        wrong = (_p(seen, margin, counted) * ROWS < 0.05).any(axis=1)
        claim = "at most 5" if counted else ""
        yield Measured(title=form.format(title), found=100 * float(np.mean(wrong)), n=studies, claim=claim)
