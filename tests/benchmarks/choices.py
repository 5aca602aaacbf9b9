"""What choices after a look do to the level of a table in which no row differs. A measure of `inference.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.families import bonferroni
from analysis.statistics.paired import paired
from analysis.statistics.sequential import limits
from analysis.table.interim import interim
from studies.definition.stopping import Stopping
from tests.benchmarks.simulated import CHECKED, ROWS, Measured, draw, student

KEPT = 2
"""How many rows stay of `ROWS`: those with the smallest p."""
SEEDS = 5


def choices(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows without an effect: all but the best two dropped after a look; attempts by a rule, each on fresh seeds.

    The table of the rows that stay is adjusted for all that were trained: p, and the intervals that agree with it.
    Nothing is claimed of several attempts: the table says how many there were.
    """
    yield from _dropped(generator, studies)
    yield from _attempts(generator, studies)


def _dropped(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    many = 10 * studies
    for model in ("normal", "counts"):
        figures = draw(model, generator, many, SEEDS, (0.0,) * ROWS)
        mean, error = student(figures[:, 1:] - figures[:, :1])
        p = 2 * stats.t.sf(np.abs(mean) / error, SEEDS - 1)
        order = np.argsort(p, axis=1)[:, :KEPT]  # NaN comes last
        best = np.take_along_axis(p, order, axis=1)
        for family, claim in ((KEPT, ""), (ROWS, "at most 5")):
            wrong = (best * family < 0.05).any(axis=1)
            for index in range(CHECKED):
                rows = [figures[index, 1 + place] for place in order[index]]
                found = [paired(row, figures[index, 0], outside=0.05 / family) for row in rows]
                assert any(bonferroni(one.p, family) < 0.05 for one in found) == wrong[index]
                assert any(one.low > 0 or one.high < 0 for one in found) == wrong[index]
            title = f"{ROWS - KEPT} of {ROWS} rows dropped after a look, adjusted for {family}, {model}"
            share = 100 * float(wrong.mean())
            yield Measured(title=title if claim else f"({title})", found=share, n=many, claim=claim)


def _attempts(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    rule, most = Stopping(looks=(4, 8, 12, 16)), 4
    differs = limits(rule.looks, rule.level / ROWS)
    wrong = np.zeros((most, studies), dtype=bool)
    for attempt in range(most):
        figures = draw("normal", generator, studies, rule.most, (0.0,) * ROWS)
        for place, n in enumerate(rule.looks):
            mean, error = student(figures[:, 1:, :n] - figures[:, :1, :n])
            wrong[attempt] |= (2 * stats.t.sf(np.abs(mean) / error, n - 1) <= differs[place]).any(axis=1)
        for index in range(CHECKED if attempt == 0 else 0):
            base, *rows = (dict(enumerate(of.tolist())) for of in figures[index])
            said = [interim(row, base, range(rule.most), rule, ROWS).outcome for row in rows]
            assert ("different" in said) == wrong[attempt, index]
    for count in (1, 2, most):
        share = 100 * float(wrong[:count].any(axis=0).mean())
        title = f"{count} attempts by a rule" if count > 1 else "1 attempt by a rule"
        yield Measured(
            title=f"({title}, any row called different)" if count > 1 else f"{title}, any row called different",
            found=share,
            n=studies,
            claim="at most 5" if count == 1 else "",
        )
