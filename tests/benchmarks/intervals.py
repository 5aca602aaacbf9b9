"""Do the printed intervals hold together, agree with their verdicts, and what is a number of seeds "as seen" worth?

Measures of `inference.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy import stats

from analysis.statistics.power import MOST_SEEDS, least_resolvable, seeds_needed
from analysis.table.comparison import compare, conclude
from tests.analysis.report.made import asked
from tests.benchmarks.simulated import CHECKED, MODELS, ROWS, Measured, draw, student

SIZES = (3, 5, 10)
FEW = 30
"""A number of seeds that a reader takes for within reach."""


def intervals(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows, two of which have an effect: any interval that misses, any row called what it is not, and power.

    An interval agrees with its verdict where it leaves out 0 exactly if the row is better or worse.
    """
    effects, many = (0.0, 0.0, 0.0, 0.5, -0.5), 10 * studies
    truth = np.array(effects)
    study = asked(ROWS, seeds=max(SIZES))
    home = dict.fromkeys(study.rows, "none")
    for model in MODELS:
        for n in SIZES:
            figures = draw(model, generator, many, n, effects)
            mean, error = student(figures[:, 1:] - figures[:, :1])
            reach = stats.t.isf(0.025 / ROWS, n - 1) * error
            clear = np.abs(mean) > reach
            for index in range(CHECKED):
                base, *rows = (dict(enumerate(of.tolist())) for of in figures[index])
                found = compare({"none": base} | {f"r{k}": row for k, row in enumerate(rows, 1)}, home, study)
                for k, one in enumerate(found.values()):
                    said = conclude(one, study, n, Counter(), unchanged=False).kind
                    assert said == (
                        {1: "worse", -1: "better"}[int(np.sign(mean[index, k]))] if clear[index, k] else said
                    )
                    assert clear[index, k] == (said in ("better", "worse"))
                    assert one.delta is not None
                    if one.delta.sd > 0:
                        assert math.isclose(one.delta.high, mean[index, k] + reach[index, k], abs_tol=1e-9)
                        assert (one.delta.low > 0 or one.delta.high < 0) == clear[index, k]
            claim = "" if model == "one-sided" else "at most 5"
            missed = 100 * np.mean((np.abs(mean - truth) > reach).any(axis=1))
            yield Measured(title=f"any interval of five misses, {model}, {n} seeds", found=missed, n=many, claim=claim)
            wrong = 100 * np.mean(clear[:, truth == 0].any(axis=1))
            yield Measured(title=f"any row wrongly clear, {model}, {n} seeds", found=wrong, n=many, claim=claim)
            if model == "normal":
                p = 2 * stats.t.sf(np.abs(mean) / error, n - 1)
                step = np.sort(p, axis=1) * np.arange(ROWS, 0, -1)
                holm = np.take_along_axis(
                    np.maximum.accumulate(step, axis=1), p.argsort(axis=1).argsort(axis=1), axis=1
                )
                for name, seen in (("Bonferroni", clear), ("Holm", holm < 0.05)):
                    title = f"(rows with an effect of 1.4 sd found, {name}, {n} seeds)"
                    yield Measured(title=title, found=100 * np.mean(seen[:, truth != 0]), n=many)
    yield from _as_seen(generator, studies)


def _as_seen(generator: np.random.Generator, studies: int) -> Iterator[Measured]:
    """Five rows without an effect: how many that are not clear "need" at most 30 seeds, and are then resolved?"""
    for n in (3, 5):
        few = studies // 5
        figures = draw("normal", generator, few, FEW, (0.0,) * ROWS)
        difference = (figures[:, 1:] - figures[:, :1]).reshape(-1, FEW)
        sample = difference[:, :n]
        mean, sd = sample.mean(axis=1), sample.std(axis=1, ddof=1)
        # the least effect that so many pairs resolve falls with their number: a search once for each total
        totals = np.array([math.inf, math.inf, *(_least(total) for total in range(2, FEW + 1))])
        needed = np.array(
            [int(np.argmax(totals <= one)) if (totals <= one).any() else MOST_SEEDS for one in abs(mean) / sd]
        )
        for index in range(CHECKED):
            exact = seeds_needed(float(mean[index]), float(sd[index]), comparisons=ROWS)
            assert (needed[index] if needed[index] <= FEW else None) == (exact if exact and exact <= FEW else None)
        unclear = 2 * stats.t.sf(np.abs(mean) / sd * math.sqrt(n), n - 1) * ROWS >= 0.05
        promised = unclear & (needed <= FEW)
        yield Measured(
            title=f"(no effect, {n} seeds: 'needs' at most {FEW} as seen)",
            found=100 * promised.sum() / unclear.sum(),
            n=few,
        )
        kept = [
            stats.ttest_1samp(row[:total], 0).pvalue * ROWS < 0.05
            for row, total in zip(difference[promised], needed[promised], strict=True)
        ]
        yield Measured(title="(and is resolved by then)", found=100 * float(np.mean(kept)), n=len(kept))


def _least(total: int) -> float:
    """Return the least effect (in sd) for which so many pairs are enough."""
    return least_resolvable(1.0, total, comparisons=ROWS)
