"""A stopping rule that is declared because the baseline's seeds are known to be unlucky; of `inference.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.sequential import limits
from analysis.table.interim import interim
from studies.definition.stopping import Stopping
from tests.benchmarks.simulated import CHECKED, ROWS, Measured, draw, student


def known_baseline(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows without an effect by the default rule: any error in the fifth of the studies that somebody chooses.

    Chosen are those whose baseline has the highest mean error over its first five seeds, or over all; or whose
    baseline was beaten, on average, by five rows of another study, none of which has an effect either. Nothing is
    claimed of them: `declare` asks fresh seeds. With these, whatever was seen before, the rule holds.
    """
    rule = Stopping()
    figures = draw("normal", generator, 5 * studies, rule.most, (0.0,) * 2 * ROWS)
    baseline, ours, others = np.split(figures, [1, 1 + ROWS], axis=1)
    wrong = errs(ours - baseline, rule)
    for index in range(CHECKED):
        base, *rows = (dict(enumerate(of)) for of in figures[index, : 1 + ROWS].tolist())
        said = [interim(row, base, range(rule.most), rule, ROWS).outcome for row in rows]
        assert ("different" in said) == wrong[index]
    seen = {
        "its first five seeds": baseline[:, 0, :5].mean(axis=1),
        "all its seeds": baseline[:, 0].mean(axis=1),
        "all, beside another study's rows": (baseline - others).mean(axis=(1, 2)),
    }
    for what, unlucky in seen.items():
        chosen = unlucky >= np.quantile(unlucky, 0.8)
        yield Measured(
            title=f"(rule for an unlucky baseline, {what}: any error)",
            found=100 * float(np.mean(wrong[chosen])),
            n=int(chosen.sum()),
        )
    fresh = draw("normal", generator, studies, rule.most, (0.0,) * ROWS)
    found = 100 * float(np.mean(errs(fresh[:, 1:] - fresh[:, :1], rule)))
    yield Measured(title="rule for fresh seeds after that: any error", found=found, n=studies, claim="at most 5")


def errs(differences: np.ndarray, rule: Stopping) -> np.ndarray:
    """Say of each study, shape (studies, rows, seeds), whether the rule calls any of its rows different."""
    wrong = np.zeros(len(differences), dtype=bool)
    for n, limit in zip(rule.looks, limits(rule.looks, rule.level / differences.shape[1], rule.spending), strict=True):
        mean, error = student(differences[..., :n])
        wrong |= (np.abs(mean) >= stats.t.isf(limit / 2, n - 1) * error).any(axis=1)
    return wrong
