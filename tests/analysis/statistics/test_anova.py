"""The analysis of variance against hand-worked answers, statsmodels and R, and against the laws it must obey."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.anova import anova_lm

from analysis.statistics.anova import anova


def lines(found):
    return {each.name: (each.df, each.sum_of_squares, each.f, each.p) for each in found}


def crossed(*sizes, seeds=3):
    """Return factors and seeds of a full factorial: the level of each run."""
    grid = np.indices((*sizes, seeds)).reshape(len(sizes) + 1, -1)
    return {f"f{index}": [str(at) for at in levels] for index, levels in enumerate(grid[:-1])}, grid[-1].tolist()


def test_by_hand():
    # cells 1, 3 / 5, 11 with seeds ± 0.5 and residuals ± 0.25 that no term can explain
    factors, seeds = crossed(2, 2, seeds=2)
    figures = np.repeat([1.0, 3.0, 5.0, 11.0], 2) + np.tile([-0.5, 0.5], 4) + 0.25 * np.array([1, -1, -1, 1] * 2)
    found = anova(figures, factors, seeds)
    assert [each.name for each in found] == ["f0", "f1", "f0 x f1", "seeds", "residual"]
    assert [each.df for each in found] == [1, 1, 1, 1, 3]
    # row means 2, 8 around 5: 8 * 9; column means 3, 7: 8 * 4; interaction ± 1: 8; seeds ± 0.5: 8 / 4; 8 / 16
    assert [each.sum_of_squares for each in found] == pytest.approx([72, 32, 8, 2, 0.5], abs=1e-12)
    assert [each.f for each in found[:4]] == pytest.approx([432, 192, 48, 12], abs=1e-9)
    assert [each.share for each in found[:4]] == pytest.approx([72 / 72.5, 32 / 32.5, 8 / 8.5, 0.8], abs=1e-12)
    # F(1, 3) is t(3) squared: p = 1 - (2/pi) (atan(x) + x / (1 + x²)), x = t / sqrt(3)
    for each in found[:4]:
        x = math.sqrt(each.f / 3)
        assert each.p == pytest.approx(1 - 2 / math.pi * (math.atan(x) + x / (1 + x * x)), abs=1e-12)
    assert all(map(math.isnan, (found[4].f, found[4].p, found[4].share)))


NPK = [  # R's data set npk (Venables and Ripley): yields of 24 plots in 6 blocks, three treatments given or not
    *(49.5, 62.8, 46.8, 57.0, 59.8, 58.5, 55.5, 56.0, 62.8, 55.8, 69.5, 55.0),
    *(62.0, 48.8, 45.5, 44.2, 52.0, 51.5, 49.8, 48.8, 57.2, 59.0, 53.2, 56.0),
]


def test_it_is_rs_on_npk():
    # R 4.2.2: anova(lm(yield ~ block + (N+P+K)^2, npk)), printed with "%.17g"; the design is balanced
    factors = {"N": "010111000110110010101100", "P": "110001011100010110010110", "K": "100101100101011000111010"}
    found = lines(anova(NPK, factors, [plot // 4 for plot in range(24)]))
    expected = {
        "N": (1, 189.2816666666665, 12.258734213650897, 0.0043718118257993861),
        "P": (1, 8.4016666666666069, 0.54412981686035611, 0.47490409267443645),
        "K": (1, 95.201666666666512, 6.1656892023171137, 0.028795053500232769),
        "N x P": (1, 21.281666666666734, 1.3782966934120131, 0.26316528287716734),
        "N x K": (1, 33.135000000000083, 2.1459720073399811, 0.16864787850049232),
        "P x K": (1, 0.48166666666666469, 0.031194905191954649, 0.86275208568540784),
        "seeds": (5, 343.29500000000013, 4.4466664267981111, 0.015938790208193932),
        "residual": (12, 185.28666666666686, math.nan, math.nan),
    }
    assert list(found) == list(expected)
    for name, line in expected.items():
        assert found[name] == pytest.approx(line, nan_ok=True, abs=1e-9)


COMBINE = {  # errors at seeds 0, 1, 2; product with hidden has not been run at seed 1, max with both not at all
    ("sum", "ends"): (20.1, 20.9, 19.8),
    ("sum", "hidden"): (21.3, 21.7, 20.6),
    ("sum", "both"): (20.4, 21.5, 20.2),
    ("product", "ends"): (22.0, 22.6, 21.1),
    ("product", "hidden"): (21.9, None, 21.0),
    ("product", "both"): (22.7, 23.1, 21.6),
    ("max", "ends"): (20.5, 21.1, 19.6),
    ("max", "hidden"): (22.2, 22.4, 21.5),
}


def test_it_is_rs_with_an_empty_cell():
    # R 4.2.2: of lm(y ~ seed + norm), lm(y ~ seed + combine), lm(y ~ seed + combine + norm), lm(y ~ combine*norm) and
    # lm(y ~ seed + combine*norm), the differences of sum(resid(m)^2) and m$df.residual, over the last one's mean square
    runs = [(*cell, seed, error) for cell, of in COMBINE.items() for seed, error in enumerate(of) if error is not None]
    combine, norm, seeds, errors = map(list, zip(*runs, strict=True))
    found = lines(anova(errors, {"combine": combine, "norm": norm}, seeds))
    expected = {
        "combine": (2, 8.3204666777188301, 101.93470143118864, 1.1359074454313794e-08),
        "norm": (2, 3.6843747236958313, 45.137568836886345, 1.4114295416607664e-06),
        "combine x norm": (3, 2.3679788614163648, 19.3401986998499, 4.4858344035048249e-05),
        "seeds": (2, 6.054434523809519, 74.173360632748327, 7.7658831332766809e-08),
        "residual": (13, 0.53056547619047401, math.nan, math.nan),
    }
    assert list(found) == list(expected)
    for name, line in expected.items():
        assert found[name] == pytest.approx(line, nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("sizes", [(2, 3), (3, 4), (2, 3, 2)])
def test_it_is_statsmodels_where_every_cell_has_a_run(sizes):
    generator = np.random.default_rng(sum(sizes))
    factors, seeds = crossed(*sizes, seeds=4)
    kept = generator.permutation(len(seeds))[: len(seeds) - 5]
    factors = {name: [levels[index] for index in kept] for name, levels in factors.items()}
    assert len(set(zip(*factors.values(), strict=True))) == np.prod(sizes), "every cell has a run"
    seeds = [seeds[index] for index in kept]
    figures = generator.normal(20, 0.5, len(kept)) + np.array(seeds) + [int(at) ** 2 for at in factors["f1"]]
    frame = pd.DataFrame({**factors, "seeds": list(map(str, seeds)), "y": figures})
    reference = anova_lm(smf.ols(f"y ~ ({' + '.join(factors)})**2 + seeds", frame).fit(), typ=2)
    found = lines(anova(figures, factors, seeds))
    assert len(found) == len(reference)
    for name, line in reference.iterrows():
        ours = found[name.replace(":", " x ").replace("Residual", "residual")]
        assert ours == pytest.approx((line.df, line.sum_sq, line.F, line["PR(>F)"]), nan_ok=True, rel=1e-9, abs=1e-12)


def test_one_run_a_cell_leaves_the_factors_alone():
    factors, seeds = crossed(3, 3, seeds=1)
    found = anova(np.random.default_rng(1).normal(size=9), factors, seeds)
    assert [(each.name, each.df) for each in found] == [("f0", 2), ("f1", 2), ("residual", 4)]


def test_runs_that_leave_nothing_for_the_residual_have_no_analysis():
    assert anova([1.0, 2.0, 3.0], {"a": "xxy", "b": "uvu"}, [0, 0, 0]) == []
    assert anova([1.0], {"a": "x", "b": "u"}, [0]) == []


def test_what_others_determine_has_no_line():
    # b changes only at a = x, so that a and b are never crossed; c goes with a
    figures = np.random.default_rng(1).normal(size=12)
    factors = {"a": "xxyzz" * 2 + "xx", "b": "uvuuu" * 2 + "uv"}
    found = anova(figures, factors, [0] * 5 + [1] * 5 + [2] * 2)
    assert [(each.name, each.df) for each in found] == [("a", 2), ("b", 1), ("seeds", 2), ("residual", 6)]
    found = anova(figures, factors | {"c": factors["a"]}, [0] * 12)
    assert [(each.name, each.df) for each in found] == [("b", 1), ("residual", 8)]


@pytest.mark.parametrize("sizes", [(2, 2), (3, 2), (2, 2, 3)])
def test_additive_figures_have_no_interaction_and_no_residual(sizes):
    factors, seeds = crossed(*sizes)
    figures = 20 + 0.1 * np.array(seeds) + sum(0.7 * np.array(levels, dtype=float) for levels in factors.values())
    found = {each.name: each for each in anova(figures, factors, seeds)}
    assert all(found[name].sum_of_squares > 0.01 and found[name].share == 1 for name in (*factors, "seeds"))
    for name in set(found) - {*factors, "seeds"}:
        assert found[name].sum_of_squares == 0
        assert math.isnan(found[name].share)
    assert all(math.isnan(each.f) and math.isnan(each.p) for each in found.values()), "nothing to compare with"


hundredths = st.lists(st.integers(0, 400), min_size=12, max_size=12).filter(lambda figures: len(set(figures)) > 3)


@settings(max_examples=50)
@given(hundredths, st.integers(-50, 50), st.permutations(range(12)))
def test_shift_unit_and_order_of_the_runs_change_no_f(figures, shift, order):
    factors, seeds = crossed(2, 3, seeds=2)
    figures = np.array(figures) / 100
    there = anova(
        4 * (figures + shift)[order],
        {name: [levels[index] for index in order] for name, levels in factors.items()},
        [seeds[index] for index in order],
    )
    for one, other in zip(anova(figures, factors, seeds), there, strict=True):
        assert (one.name, one.df) == (other.name, other.df)
        assert other.sum_of_squares == pytest.approx(16 * one.sum_of_squares, rel=1e-9, abs=1e-9)
        assert (other.f, other.p) == pytest.approx((one.f, one.p), nan_ok=True, rel=1e-6, abs=1e-9)
