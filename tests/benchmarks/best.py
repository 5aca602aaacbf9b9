"""Is the best row bold where some row is, and is it alone? A measure of `inference.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis.cells import homes
from analysis.statistics.sequential import limits
from analysis.table.best import best_rows
from analysis.table.interim import interims
from lightning_bam.config import BAMSpec, Run
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from tests.benchmarks.simulated import CHECKED, ROWS, Measured, draw, student

STUDY = Study(
    name="best",
    question="Which?",
    rows={"none": Run()} | {f"r{r}": Run(attention=BAMSpec(reduction=r)) for r in (1, 2, 4, 8, 16)},
    baseline="none",
    scientific=("attention", "attention.reduction"),
)
EFFECTS = {
    "five rows alike": (-1.0,) * ROWS,
    "one ahead by 0.3": (-1.3, *[-1.0] * (ROWS - 1)),
    "no effect": (0.0,) * ROWS,
}


def best(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows 1 point better than the baseline, all alike or one ahead of the others, and five without an effect."""
    rule = Stopping(looks=(4, 8, 12, 16))
    for name, effects in EFFECTS.items():
        for n in (3, 5, 10):
            figures = draw("normal", generator, studies, n, effects)
            beaten = _beaten(figures, np.full((studies, ROWS + 1), n), {n: 0.05 / ROWS})
            _check(figures, beaten, replace(STUDY, seeds=n))
            yield from _measured(beaten, f"{name}, {n} seeds", studies)
        figures = draw("normal", generator, studies, rule.most, effects)
        bounds = dict(zip(rule.looks, limits(rule.looks, rule.level / ROWS, rule.spending), strict=True))
        reached = np.zeros((studies, ROWS + 1), dtype=int)
        for look, limit in bounds.items():
            mean, error = student(figures[:, 1:, :look] - figures[:, :1, :look])
            met = 2 * stats.t.sf(np.abs(mean) / error, look - 1) <= limit
            reached[:, 1:] = np.where((reached[:, 1:] == 0) & (met | (look == rule.most)), look, reached[:, 1:])
        reached[:, 0] = reached.max(axis=1)
        beaten = _beaten(figures, reached, bounds)
        _check(figures, beaten, replace(STUDY, seeds=rule.most, stopping=rule))
        yield from _measured(beaten, f"{name}, four looks", studies)


def _beaten(figures: np.ndarray, reached: np.ndarray, bounds: dict[int, float]) -> np.ndarray:
    """Return which rows another is better than, shape (studies, rows), each pair at the seeds of the fewer.

    None where no row is told from the baseline.
    """
    beaten, told = np.zeros(reached.shape, dtype=bool), np.zeros(len(reached), dtype=bool)
    for n, limit in bounds.items():
        for row in range(reached.shape[1]):
            mean, error = student(figures[..., :n] - figures[:, row : row + 1, :n])
            lower = (mean < 0) & (2 * stats.t.sf(np.abs(mean) / error, n - 1) <= limit)
            lower &= np.minimum(reached, reached[:, row : row + 1]) == n
            beaten[:, row] |= lower.any(axis=1)
            told |= lower[:, 0] | (lower.any(axis=1) & (row == 0))
    return beaten & told[:, None]


def _check(figures: np.ndarray, beaten: np.ndarray, study: Study) -> None:
    for drawn, left in zip(figures[:CHECKED], beaten[:CHECKED], strict=True):
        runs = {row: dict(enumerate(of)) for row, of in zip(study.rows, drawn.tolist(), strict=True)}
        found = best_rows(runs, study, interims(runs, homes(study), study, {}))
        expected = {row for row, out in zip(study.rows, left, strict=True) if not out} if left.any() else set()
        assert found == expected


def _measured(beaten: np.ndarray, where: str, studies: int) -> Iterator[Measured]:
    found = 100 * float(beaten[:, 1].mean())
    yield Measured(title=f"a best row is left out, {where}", found=found, n=studies, claim="at most 5")
    bold = np.where(beaten.any(axis=1), (~beaten).sum(axis=1), 0)
    claim, some = "at most 5" if where.startswith("no effect") else "", 100 * float(np.mean(bold > 0))
    yield Measured(title=f"some row is bold, {where}", found=some, n=studies, claim=claim)
    yield Measured(title=f"(one row alone is bold, {where})", found=100 * float(np.mean(bold == 1)), n=studies)
