"""Estimated marginal means against hand-worked answers, statsmodels, and the raw means of complete designs."""

import math
from itertools import product

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.factorial import factorial

FACTORS = {"combine": ("sum", "product", "max"), "init": ("torch", "kaiming", "zero")}
COST = {"torch": 22.0, "kaiming": 22.15, "zero": 23.5}


def marginal(found):
    return {(each.factor, each.level): each for each in found.levels}


def test_a_missing_costly_cell_makes_no_level_better():
    # combine has no effect; product is not run with zero, which costs 1.5: the raw means are 22.55, 22.075, 22.55
    there = [cell for cell in product(*FACTORS.values()) if cell != ("product", "zero")]
    cells = {
        cell: {0: COST[cell[1]] - 1 + wobble, 1: COST[cell[1]] + 1 - wobble}
        for cell, wobble in zip(there, [0.1, -0.1] * 4, strict=True)
    }
    found = factorial(cells, FACTORS)
    means = marginal(found)
    assert [means["combine", level].mean for level in FACTORS["combine"]] == pytest.approx([22.55] * 3, abs=1e-12)
    assert [means["init", level].mean for level in FACTORS["init"]] == pytest.approx([22, 22.15, 23.5], abs=1e-12)
    assert [each.n for each in found.levels] == [6, 4, 6, 6, 6, 4]
    assert {each.name: each for each in found.anova}["combine"].sum_of_squares == pytest.approx(0, abs=1e-12)
    # Yates: the missing cell is (3 R + 3 C - G) / 4, R its row's total, C its column's, G that of all cells. So the
    # row's own two cells weigh (1 + 2/4) / 3 = 1/2, the column's two (2/4) / 3 = 1/6, the others -1/12: Σ w² = 7/12 of
    # a cell's variance s² / 2; a complete row's mean has 1/3. 16 deviations of 0.1 leave 0.16 with 16 - 8 - 1 = 7 df
    half = stats.t.isf(0.025, 7) * math.sqrt(0.16 / 7 / 2)
    for each in found.levels:
        variance = 7 / 12 if each.level in ("product", "zero") else 1 / 3
        assert each.high - each.mean == pytest.approx(half * math.sqrt(variance), abs=1e-12)
        assert each.mean - each.low == pytest.approx(half * math.sqrt(variance), abs=1e-12)
    assert found.gaps == ["no run at combine=product, init=zero"]


def test_a_seed_that_is_missing_makes_no_level_better():
    # seed 1 costs 3 in every cell, and nothing else matters; the raw mean of max over its cells is 20.75
    factors = {"combine": ("sum", "max"), "norm": ("ends", "both")}
    cells = {cell: {0: 20.0, 1: 23.0} for cell in product(*factors.values())} | {("max", "both"): {0: 20.0}}
    assert [each.mean for each in factorial(cells, factors).levels] == pytest.approx([21.5] * 4, abs=1e-12)


quarters = st.integers(0, 400).map(lambda count: count / 4)


@settings(max_examples=100)
@given(st.data(), st.lists(st.integers(2, 4), min_size=2, max_size=3), st.integers(1, 4))
def test_in_a_complete_design_they_are_the_raw_means(data, sizes, seeds):
    factors = {f"f{index}": tuple("abcd"[:size]) for index, size in enumerate(sizes)}
    runs = math.prod(sizes) * seeds
    figures = np.array(data.draw(st.lists(quarters, min_size=runs, max_size=runs))).reshape(*sizes, seeds)
    cells = {
        cell: dict(enumerate(figures[tuple("abcd".index(at) for at in cell)].tolist()))
        for cell in product(*factors.values())
    }
    found = factorial(cells, factors)
    raw = [figures.take(at, axis=axis).mean() for axis, size in enumerate(sizes) for at in range(size)]
    assert [each.mean for each in found.levels] == pytest.approx(raw, abs=1e-12)
    assert found.gaps == []
    rest = found.anova[-1] if found.anova else None
    if rest is not None and rest.sum_of_squares:
        half = stats.t.isf(0.025, rest.df) * math.sqrt(rest.sum_of_squares / rest.df)
        wide = [half / math.sqrt(each.n) for each in found.levels]
        assert [each.high - each.mean for each in found.levels] == pytest.approx(wide, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("sizes", [(2, 3), (3, 4), (3, 3, 3), (2, 3, 2)])
@pytest.mark.parametrize("start", range(3))
def test_it_is_statsmodels_with_cells_and_seeds_missing(sizes, start):
    generator = np.random.default_rng([start, *sizes])
    factors = {f"f{index}": tuple("abcd"[:size]) for index, size in enumerate(sizes)}
    every = [(*cell, seed) for cell in product(*factors.values()) for seed in range(3)]
    gone = {every[index][:-1] for index in generator.integers(len(every), size=1)}
    kept = [run for run in every if run[:-1] not in gone and generator.random() < 0.85]
    frame = pd.DataFrame(kept, columns=[*factors, "seed"])
    frame["y"] = generator.normal(20, 1, len(kept)) + frame.seed + 2 * (frame.f0 == "a") + (frame.f1 == "b")
    names = [*factors, "seed"]
    y, x = patsy.dmatrices(f"y ~ {' + '.join(f'C({name}, Sum)' for name in names)}", frame)
    fit = sm.OLS(y, x).fit()
    assert fit.df_model == sum(sizes) - len(sizes) + 2, "the runs tell every level"
    cells = {}
    for *cell, seed, figure in frame.itertuples(index=False):
        cells.setdefault(tuple(cell), {})[seed] = figure
    found = factorial(cells, factors)
    rest = found.anova[-1]
    grid = pd.DataFrame(every, columns=names)
    for each in found.levels:
        at = grid[grid[each.factor] == each.level]
        row = np.asarray(patsy.dmatrix(x.design_info, at)).mean(axis=0)
        told = fit.t_test(row)
        assert each.mean == pytest.approx(told.effect.item(), abs=1e-9)
        error = told.sd.item() / math.sqrt(fit.scale) * math.sqrt(rest.sum_of_squares / rest.df)
        assert each.high - each.mean == pytest.approx(stats.t.isf(0.025, rest.df) * error, abs=1e-9)
    for met in found.interactions:
        others = [name for name in names if name not in met.factors]
        first, second = met.factors
        whole = frame.assign(pair=frame[first] + frame[second])
        y, x = patsy.dmatrices(f"y ~ {' + '.join(f'C({name}, Sum)' for name in ('pair', *others))}", whole)
        fit = sm.OLS(y, x).fit()
        assert fit.df_model + 1 == x.shape[1], "the runs tell every pair of levels that they have"
        for at, mean in met.means.items():
            rows = grid[(grid[first] == at[0]) & (grid[second] == at[1])].assign(pair="".join(at))
            if not met.counts[at]:
                assert math.isnan(mean)
                continue
            told = fit.t_test(np.asarray(patsy.dmatrix(x.design_info, rows)).mean(axis=0))
            assert mean == pytest.approx(told.effect.item(), abs=1e-9)
            error = told.sd.item() / math.sqrt(fit.scale) * math.sqrt(rest.sum_of_squares / rest.df)
            assert met.spans[at] == pytest.approx(stats.t.isf(0.025, rest.df) * error, abs=1e-9)


def test_levels_that_do_not_connect_have_no_mean_and_are_named():
    factors = {"combine": ("sum", "max"), "norm": ("ends", "both"), "init": ("torch", "zero")}
    # max goes with both, sum with ends: which of them does it, nobody knows; init is crossed with either
    cells = {
        (combine, norm, init): {0: 20.0 + 2 * (combine == "max") + (init == "zero"), 1: 21.0 + (init == "zero")}
        for combine, norm in (("sum", "ends"), ("max", "both"))
        for init in factors["init"]
    }
    found = factorial(cells, factors)
    for each in found.levels[:4]:
        assert each.n == 4
        assert all(map(math.isnan, (each.mean, each.low, each.high)))
    # cells (20 + 21) / 2 and (22 + 21) / 2, and one more with zero
    assert [each.mean for each in found.levels[4:]] == pytest.approx([21, 22], abs=1e-12)
    assert found.gaps[-1] == (
        "no marginal mean at combine=sum, max; norm=ends, both: these runs do not connect the levels"
    )


def test_levels_at_seeds_of_their_own_are_named():
    factors = {"combine": ("sum", "product", "max"), "norm": ("ends", "both")}
    cells = {cell: {0: 20.0, 1: 21.0} if cell[0] != "max" else {4: 25.0} for cell in product(*factors.values())}
    found = factorial(cells, factors)
    assert [math.isnan(each.mean) for each in found.levels] == [True, True, True, False, False]
    assert [each.mean for each in found.levels[3:]] == pytest.approx([22, 22], abs=1e-12), "three levels, three seeds"
    assert found.gaps[-1] == ("no marginal mean at combine=sum, product, max: these runs do not connect the levels")


def test_a_pair_of_levels_at_a_seed_of_its_own_is_named():
    factors = {"combine": ("sum", "max"), "norm": ("ends", "both")}
    cells = {cell: {0: 20.0, 1: 21.0} for cell in product(*factors.values())} | {("max", "both"): {4: 25.0}}
    found = factorial(cells, factors)
    # without an interaction, seed 4 has 25 at every level: (20 + 21 + 25) / 3; with one, it may be the cell
    assert [each.mean for each in found.levels] == pytest.approx([22] * 4, abs=1e-12)
    assert all(math.isnan(mean) for mean in found.interactions[0].means.values())
    assert found.gaps[-1] == "no marginal mean at pairs of combine and norm: these runs do not connect the levels"
