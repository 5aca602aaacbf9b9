"""Marginal means, interactions and gaps against hand-worked answers and the laws they must obey."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.factorial import factorial, gaps

FACTORS = {"combine": ("sum", "max"), "norm": ("ends", "both")}
CELLS = {  # cell means 1, 3, 5, 11
    ("sum", "ends"): {0: 0.5, 1: 1.5},
    ("sum", "both"): {0: 2.0, 1: 4.0},
    ("max", "ends"): {0: 4.75, 1: 5.25},
    ("max", "both"): {0: 10.5, 1: 11.5},
}


def marginal(found):
    return {(each.factor, each.level): each for each in found.levels}


def test_by_hand():
    found = factorial(CELLS, FACTORS)
    assert found.factors == FACTORS
    assert [(each.factor, each.level, each.n) for each in found.levels] == [
        ("combine", "sum", 4),
        ("combine", "max", 4),
        ("norm", "ends", 4),
        ("norm", "both", 4),
    ]
    assert [each.mean for each in found.levels] == pytest.approx([2, 8, 3, 7], abs=1e-12)
    (met,) = found.interactions
    assert met.factors == ("combine", "norm")
    means = {("sum", "ends"): 1, ("sum", "both"): 3, ("max", "ends"): 5, ("max", "both"): 11}
    assert met.means == pytest.approx(means, abs=1e-12)
    assert set(met.counts.values()) == {2}
    assert found.gaps == []
    assert found.importance == {}
    # seeds differ by 1, 2, .5, 1, on average 1.125: half of (1 + 49 + 25 + 1) / 64 is left
    residual = found.anova[-1]
    assert (residual.name, residual.df, residual.sum_of_squares) == ("residual", 3, pytest.approx(19 / 32, abs=1e-12))
    half = stats.t.isf(0.025, 3) * math.sqrt(19 / 32 / 3 / 4)
    assert [each.high - each.mean for each in found.levels] == pytest.approx([half] * 4, abs=1e-12)
    assert [each.mean - each.low for each in found.levels] == pytest.approx([half] * 4, abs=1e-12)


def test_a_shared_shift_of_a_seed_moves_no_interval():
    shifted = {cell: {0: runs[0], 1: runs[1] + 3} for cell, runs in CELLS.items()}
    for one, other in zip(factorial(CELLS, FACTORS).levels, factorial(shifted, FACTORS).levels, strict=True):
        assert other.mean == pytest.approx(one.mean + 1.5, abs=1e-12)
        assert other.high - other.low == pytest.approx(one.high - one.low, abs=1e-12)


eighths = st.integers(-40, 40).map(lambda count: count / 8)


@given(st.lists(eighths, min_size=3, max_size=3), st.lists(eighths, min_size=4, max_size=4), eighths)
def test_balanced_additive_figures_have_exact_margins_and_no_interaction(rows, columns, shift):
    factors = {"a": tuple("xyz"), "b": tuple("pqrs")}
    cells = {
        (a, b): {seed: 20 + row + column + shift * seed for seed in range(2)}
        for a, row in zip(factors["a"], rows, strict=True)
        for b, column in zip(factors["b"], columns, strict=True)
    }
    found = factorial(cells, factors)
    means = {level: each.mean for level, each in marginal(found).items()}
    offset = 20 + shift / 2
    assert [means["a", a] for a in "xyz"] == pytest.approx([offset + row + np.mean(columns) for row in rows], abs=1e-12)
    assert [means["b", b] for b in "pqrs"] == pytest.approx([offset + np.mean(rows) + c for c in columns], abs=1e-12)
    (met,) = found.interactions
    lines = [[met.means[a, b] - met.means["x", b] for b in "pqrs"] for a in "yz"]
    assert [np.ptp(line) for line in lines] == pytest.approx([0, 0], abs=1e-12), "parallel lines"
    assert [each.sum_of_squares for each in found.anova if " x " in each.name] == [0]


def test_interactions_of_three_factors_average_over_the_third():
    factors = {"a": ("x", "y"), "b": ("p", "q"), "c": ("u", "v")}
    cells = {
        (a, b, c): {0: 100.0 * (a == "y") + 10 * (b == "q") + (c == "v")} for a in "xy" for b in "pq" for c in "uv"
    }
    del cells["y", "q", "v"]
    met = {each.factors: each for each in factorial(cells, factors).interactions}
    assert list(met) == [("a", "b"), ("a", "c"), ("b", "c")]
    means = {("x", "p"): 0.5, ("x", "q"): 10.5, ("y", "p"): 100.5, ("y", "q"): 110.5}
    assert met["a", "b"].means == pytest.approx(means, abs=1e-12), "the one run of y and q would say 110"
    assert met["a", "b"].counts == {("x", "p"): 2, ("x", "q"): 2, ("y", "p"): 2, ("y", "q"): 1}


def test_a_cell_of_fewer_seeds_is_compared_as_if_it_had_them_all():
    # nothing matters but the seed, 18 to 22; max with both lacks the two low ones, so that its raw mean is 21
    wobble = {("sum", "ends"): 0.02, ("sum", "both"): -0.02, ("max", "ends"): -0.02, ("max", "both"): 0.02}
    cells = {
        cell: {seed: 18.0 + seed + (-1) ** seed * small for seed in range(5) if seed > 1 or cell != ("max", "both")}
        for cell, small in wobble.items()
    }
    found = factorial(cells, FACTORS)
    (met,) = found.interactions
    assert met.means["max", "both"] == pytest.approx(20.0, abs=0.05)
    assert met.means["sum", "ends"] == pytest.approx(20.004, abs=1e-12), "a complete cell keeps its own mean"
    # at seeds 2 to 4 it stands above the mean of the others, whose mean over all seeds it adds: Σ w² = (1/3 + x)
    # with three blocks of weight 1/3 less 1/5 and two of 1/5, shared by three cells: 3 (2/15)² / 3 + 2 (1/5)² / 3
    rest = found.anova[-1]
    half = stats.t.isf(0.025, rest.df) * math.sqrt(rest.sum_of_squares / rest.df)
    assert met.spans["sum", "ends"] == pytest.approx(half * math.sqrt(1 / 5), rel=1e-9)
    variance = 1 / 3 + (2 / 15) ** 2 + 2 * (1 / 5) ** 2 / 3
    assert met.spans["max", "both"] == pytest.approx(half * math.sqrt(variance), rel=1e-9)


def test_each_level_of_a_third_factor_counts_once_in_an_interaction():
    factors = {"a": ("x",), "b": ("p",), "c": ("u", "v")}
    (met, *_) = factorial({("x", "p", "u"): {0: 1.0, 1: 2.0, 2: 3.0}, ("x", "p", "v"): {0: 10.0}}, factors).interactions
    assert met.means == pytest.approx({("x", "p"): 6.5}), "v is 9 above u at seed 0, so 11 beside its mean of 2"
    assert met.counts == {("x", "p"): 4}


def test_in_a_complete_design_interactions_are_raw_means():
    generator = np.random.default_rng(0)
    factors = {"a": tuple("xyz"), "b": tuple("pq"), "c": tuple("uvw")}
    figures = generator.normal(20, 1, (3, 2, 3, 4))
    cells = {
        cell: dict(enumerate(figures[tuple(factors[name].index(at) for name, at in zip("abc", cell, strict=True))]))
        for cell in product(*factors.values())
    }
    found = factorial(cells, factors)
    rest = found.anova[-1]
    half = stats.t.isf(0.025, rest.df) * math.sqrt(rest.sum_of_squares / rest.df)
    for met, axes in zip(found.interactions, [(2, 3), (1, 3), (0, 3)], strict=True):
        assert list(met.means.values()) == pytest.approx(figures.mean(axis=axes).ravel(), abs=1e-12)
        assert [*met.spans.values()] == pytest.approx([half / math.sqrt(n) for n in met.counts.values()], rel=1e-9)


def test_what_is_missing_is_there_as_nan_and_zero():
    found = factorial({("sum", "ends"): {0: 1.0}, ("sum", "both"): {0: 2.0}, ("max", "both"): {}}, FACTORS)
    (met,) = found.interactions
    assert met.counts == {("sum", "ends"): 1, ("sum", "both"): 1, ("max", "ends"): 0, ("max", "both"): 0}
    assert math.isnan(met.means["max", "both"])
    lacking = marginal(found)["combine", "max"]
    assert lacking.n == 0
    assert all(map(math.isnan, (lacking.mean, lacking.low, lacking.high)))
    assert found.anova == []
    assert [math.isnan(each.low) for each in found.levels] == [True] * 4, "no analysis of variance, no interval"
    assert found.gaps == ["no run at combine=max"]
    known = [marginal(found)[key].mean for key in (("combine", "sum"), ("norm", "ends"), ("norm", "both"))]
    assert known == pytest.approx([1.5, 1, 2], abs=1e-12), "levels without a run have no weight"


def test_gaps_are_named():
    factors = {"combine": ("sum", "max"), "norm": ("ends", "both")}
    cells = {("sum", "ends"): {0: 1.0, 1: 1.0, 2: 1.0}, ("sum", "both"): {0: 1.0, 2: 1.0}, ("max", "both"): {4: 1.0}}
    assert gaps(cells, factors) == [
        "no run at combine=max, norm=ends",
        "combine=sum, norm=ends: 3 of 4 seeds (lacks seed 4)",
        "combine=sum, norm=both: 2 of 4 seeds (lacks seeds 1, 4)",
        "combine=max, norm=both: 1 of 4 seeds (lacks seeds 0, 1, 2)",
    ]


def test_cells_that_are_missing_at_every_level_of_another_factor_are_named_once():
    factors = {"combine": ("sum", "product"), "norm": ("ends", "both"), "init": ("torch", "zero")}
    cells = {
        (combine, norm, init): {0: 1.0}
        for combine in factors["combine"]
        for norm in factors["norm"]
        for init in factors["init"]
        if (combine, init) != ("product", "zero") and (combine, norm, init) != ("sum", "both", "zero")
    }
    assert gaps(cells, factors) == [
        "no run at combine=product, init=zero",
        "no run at norm=both, init=zero",
    ]
