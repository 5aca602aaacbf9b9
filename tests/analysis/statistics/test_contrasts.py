"""Contrasts and trends against hand-worked answers, a slow oracle, and the marginal means of complete designs."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.contrasts import contrasts, trend
from analysis.statistics.factorial import factorial

T2 = 0.95 * math.sqrt(2 / (1 - 0.95**2))  # the 0.975 quantile of t with 2 degrees of freedom, in closed form


def runs(*figures):
    return dict(enumerate(figures))


def test_two_levels_by_hand():
    # y less x is 1, 2, 6 in one line and 3, 2, 2 in the other: 2, 2, 4 by seed, with sd sqrt(4/3)
    lines = [
        {"x": runs(20.0, 21.0, 22.0), "y": runs(21.0, 23.0, 28.0)},
        {"x": runs(30.0, 30.0, 30.0), "y": runs(33.0, 32.0, 32.0)},
    ]
    (found,) = contrasts(lines, ["x", "y"])
    assert (found.level, found.other, found.comparisons) == ("y", "x", 1)
    assert (found.difference.n, found.difference.mean) == (3, pytest.approx(8 / 3, abs=1e-12))
    assert found.difference.high - found.difference.mean == pytest.approx(T2 * 2 / 3, abs=1e-12)
    # t = 4: 1 - t / sqrt(t² + 2)
    assert found.p_adjusted == pytest.approx(1 - 4 / math.sqrt(18), abs=1e-12)


def test_all_pairs_share_the_level():
    line = {"x": runs(1.0, 2.0, 4.0), "y": runs(2.0, 5.0, 5.0), "z": runs(9.0, 9.5, 9.0)}
    found = contrasts([line], ["x", "y", "z"])
    assert [(each.level, each.other) for each in found] == [("y", "x"), ("z", "x"), ("z", "y")]
    for each in found:
        told = stats.ttest_rel(list(line[each.level].values()), list(line[each.other].values()))
        interval = told.confidence_interval(1 - 0.05 / 3)
        assert each.comparisons == 3
        assert each.p_adjusted == pytest.approx(min(1, 3 * told.pvalue), abs=1e-12)
        assert (each.difference.low, each.difference.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert (each.p_adjusted < 0.05) == (not each.difference.low <= 0 <= each.difference.high)


def test_only_runs_alike_in_all_else_are_compared():
    # z costs 5 in the second line, which x never meets; seed 1 has y in the first line alone
    lines = [{"x": runs(1.0, 2.0), "y": runs(2.0, 4.0)}, {"y": {0: 12.0}, "z": {0: 17.0, 1: 18.0}}]
    found = {(each.level, each.other): each for each in contrasts(lines, ["x", "y", "z"])}
    assert list(found) == [("y", "x"), ("z", "y")], "nothing tells z from x"
    assert found["y", "x"].difference.mean == 1.5
    assert (found["z", "y"].difference.n, found["z", "y"].difference.mean) == (1, 5.0)
    assert math.isnan(found["z", "y"].p_adjusted)


def test_a_seed_at_which_a_level_failed_is_held_against_the_difference():
    """y less x is -1, -1.02, -0.98, and one failed: +1.02 in its place gives t = -0.99 with 3 degrees of freedom."""
    line = {"x": runs(20.0, 21.0, 22.0, 23.0), "y": runs(19.0, 19.98, 21.02, math.nan)}
    (found,) = contrasts([line], ["x", "y"])
    assert found.difference.n == 3
    assert found.p_adjusted < 0.001
    worst = stats.ttest_1samp([-1.0, -1.02, -0.98, 1.02], 0.0).pvalue
    assert found.p_failed == pytest.approx(worst, abs=1e-9)
    assert worst > 0.3
    other = {"x": runs(30.0, 30.0, 30.0, 30.0), "y": runs(29.0, 29.0, 29.0, 29.0)}
    assert math.isnan(contrasts([line, other], ["x", "y"])[0].p_failed), "the seed has a difference in another line"
    assert trend([line | {"z": runs(18.0, 18.0, 18.0, 18.0)}], {"x": 1.0, "y": 2.0, "z": 4.0}).slope.n == 4


def test_no_seed_and_equal_differences_say_nothing():
    (none,) = contrasts([{"x": runs(1.0), "y": {}}], ["x", "y"])
    assert none.difference is None
    assert math.isnan(none.p_adjusted)
    (same,) = contrasts([{"x": runs(0.1, 0.2, 0.3), "y": runs(0.4, 0.5, 0.6)}], ["x", "y"])
    assert same.difference.sd == 0
    assert math.isnan(same.p_adjusted)


def test_in_a_complete_design_they_are_differences_of_marginal_means():
    generator = np.random.default_rng(3)
    factors = {"a": tuple("xyz"), "b": tuple("pq"), "c": tuple("uv")}
    cells = {cell: runs(*generator.normal(20, 1, 4).tolist()) for cell in product(*factors.values())}
    lines = [{a: cells[a, b, c] for a in "xyz"} for b, c in product("pq", "uv")]
    means = {each.level: each.mean for each in factorial(cells, factors).levels if each.factor == "a"}
    for each in contrasts(lines, factors["a"]):
        assert each.difference.mean == pytest.approx(means[each.level] - means[each.other], abs=1e-12)


def test_a_slope_by_hand():
    # at seed 0: 1, 2, 3, 4 over doublings, slope 1; at seed 1 without the third: 1, 3, 7 at 0, 1, 3, mean 4/3
    # and 11/3: (-4/3 · -8/3 + -1/3 · -2/3 + 5/3 · 10/3) / (16/9 + 1/9 + 25/9) = 84 / 42 = 2; at seed 2: 3
    line = {"4": runs(1.0, 1.0, 0.0), "8": runs(2.0, 3.0, 3.0), "16": {0: 3.0, 2: 6.0}, "32": runs(4.0, 7.0, 9.0)}
    found = trend([line], {"4": 4, "8": 8, "16": 16, "32": 32})
    assert (found.per, found.levels) == ("doubling", (4, 8, 16, 32))
    assert (found.slope.n, found.slope.mean, found.slope.sd) == (3, pytest.approx(2), pytest.approx(1))
    assert found.slope.high == pytest.approx(2 + T2 / math.sqrt(3), abs=1e-12)
    assert found.slope.p == pytest.approx(1 - math.sqrt(12 / 14), abs=1e-12)


def test_lines_have_their_own_constants():
    generator = np.random.default_rng(4)
    at = {"1": 1.0, "2": 2.0, "3": 3.0}
    lines = [{level: runs(*generator.normal(10 * place, 1, 3).tolist()) for level in at} for place in range(3)]
    del lines[1]["3"][1], lines[2]["1"]
    slopes = []
    for seed in range(3):
        there = [
            (place, at[level], of[seed]) for place, line in enumerate(lines) for level, of in line.items() if seed in of
        ]
        x = np.array([[level, *np.eye(3)[place]] for place, level, _ in there])
        slopes.append(np.linalg.lstsq(x, [figure for *_, figure in there], rcond=None)[0][0])
    found = trend(lines, at)
    assert found.per == "unit"
    assert found.slope.mean == pytest.approx(np.mean(slopes), abs=1e-12)
    assert found.slope.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "per"),
    [
        ((4, 8, 16, 32), "doubling"),
        ((1, 2, 4, 6), "doubling"),  # gaps 1, 1, 1 and 0.585 doublings, 1, 2 and 2 units
        ((1, 2, 3), "unit"),
        ((0, 1, 10), "unit"),
        ((0.001, 0.01, 0.1), "doubling"),
        ((10, 20, 30, 40), "unit"),
    ],
)
def test_the_scale_is_the_one_on_which_levels_are_spaced_more_evenly(values, per):
    line = {str(value): runs(1.0) for value in values}
    assert trend([line], {str(value): value for value in values}).per == per


def test_levels_without_a_run_are_in_no_trend():
    at = {"4": 4.0, "8": 8.0, "16": 16.0, "32": 32.0}
    line = {"4": runs(1.0), "8": runs(2.0), "16": {1: 3.0}, "32": {}}
    assert trend([line], at).levels == (4, 8, 16)
    assert trend([line], at).slope.n == 1, "seed 1 has a single row"
    assert trend([{**line, "16": {}}], at) is None
    assert trend([{"4": {0: 1.0}, "8": {1: 1.0}, "16": {2: 1.0}, "32": {}}], at).slope is None
