"""Statistics against hand-worked answers, against scipy, and against the laws they must obey."""

import math
from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics import (
    holm,
    least_resolvable,
    paired,
    paired_power,
    prediction_interval,
    seeds_needed,
)

T2 = 0.95 * math.sqrt(2 / (1 - 0.95**2))  # the 0.975 quantile of t with 2 degrees of freedom, in closed form

eighths = st.integers(0, 800).map(lambda count: count / 8)  # sums and differences of these are exact
pairs = st.lists(st.tuples(eighths, eighths), min_size=2, max_size=8)
p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=8)


def test_paired_by_hand():
    # differences -1, -2, -3: mean -2, sd 1, error 1/sqrt(3); p at t = 2 sqrt(3):
    # 1 - t / sqrt(t² + 2) = 1 - sqrt(12/14)
    found = paired([10.0, 11.0, 12.0], [11.0, 13.0, 15.0])
    half = T2 / math.sqrt(3)
    assert (found.n, found.mean, found.sd) == (3, -2.0, 1.0)
    assert found.low == pytest.approx(-2 - half, abs=1e-12)
    assert found.high == pytest.approx(-2 + half, abs=1e-12)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14), abs=1e-12)


def test_paired_is_scipys_paired_t_test():
    generator = np.random.default_rng(7)
    for n in (2, 3, 5, 17):
        ours, baseline = generator.normal(20, 1, n), generator.normal(21, 1, n)
        found, reference = paired(ours, baseline, level=0.9), stats.ttest_rel(ours, baseline)
        one_sample = stats.ttest_1samp(ours - baseline, 0)
        interval = reference.confidence_interval(0.9)
        assert found.p == pytest.approx(reference.pvalue, abs=1e-12)
        assert found.p == pytest.approx(one_sample.pvalue, abs=1e-12)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_one_pair_has_a_difference_and_no_more():
    found = paired([20.0], [21.5])
    assert (found.n, found.mean) == (1, -1.5)
    assert all(math.isnan(value) for value in (found.sd, found.low, found.high, found.p))


@pytest.mark.parametrize(
    ("ours", "baseline", "mean"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 4.0], [2.5, 3.5], 0.5),
        ([12.3, 13.4, 0.7], [11.2, 12.3, -0.4], 1.1),
    ],
)
def test_equal_differences_have_neither_p_nor_interval(ours, baseline, mean):
    found = paired(ours, baseline)
    assert found.sd == 0.0
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert math.isnan(found.p)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(("ours", "baseline"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, math.nan], [1.0, 2.0])])
def test_paired_refuses(ours, baseline):
    with pytest.raises(ValueError, match="pairs need"):
        paired(ours, baseline)


@given(pairs, eighths)
def test_a_constant_on_both_sides_leaves_the_paired_difference(sample, constant):
    ours, baseline = np.array(sample).T
    assert repr(paired(ours + constant, baseline + constant)) == repr(paired(ours, baseline))


@given(pairs)
def test_swapping_the_sides_turns_the_sign(sample):
    ours, baseline = np.array(sample).T
    there, back = paired(ours, baseline), paired(baseline, ours)
    assert back.mean == -there.mean
    assert [back.low, back.high] == pytest.approx([-there.high, -there.low], nan_ok=True, abs=0)
    assert repr((back.p, back.sd)) == repr((there.p, there.sd))


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and the last may not fall below .06
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-15)
    with_unknown = holm([0.01, math.nan, 0.6, 0.7])  # three known: 0.03, 1.2 -> 1, 0.7 -> 1
    assert with_unknown == pytest.approx([0.03, math.nan, 1.0, 1.0], nan_ok=True, abs=1e-15)
    assert holm([]).shape == (0,)
    # a family of four of which two are known: times 4 and 3
    assert holm([0.01, math.nan, 0.02], comparisons=4) == pytest.approx([0.04, math.nan, 0.06], nan_ok=True, abs=1e-15)
    with pytest.raises(ValueError, match="2 p-values of 1 comparisons"):
        holm([0.1, 0.2], comparisons=1)
    with pytest.raises(ValueError, match=r"got \[1.5\]"):
        holm([0.5, 1.5])


@given(p_values)
def test_holm_never_lowers_keeps_the_order_and_stays_within_bonferroni(p):
    p, adjusted = np.array(p), holm(p)
    known = ~np.isnan(p)
    assert (np.isnan(adjusted) == ~known).all()
    assert (adjusted[known] >= p[known]).all()
    assert (adjusted[known] <= np.minimum(1, known.sum() * p[known])).all()
    assert (np.diff(adjusted[known][np.argsort(p[known])]) >= 0).all()


@given(st.data())
def test_holm_does_not_mind_the_order_of_the_rows(data):
    p = data.draw(p_values)
    order = data.draw(st.permutations(range(len(p))))
    np.testing.assert_array_equal(holm([p[i] for i in order]), [holm(p)[i] for i in order])


@pytest.mark.parametrize(
    ("effect", "seeds"),
    [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)],  # G*Power 3.1, matched pairs, two-sided, .05, .80
)
def test_seeds_needed_is_gpowers_sample_size(effect, seeds):
    assert seeds_needed(effect, 1.0) == seeds_needed(-effect, 1.0) == seeds
    assert seeds_needed(10 * effect, 10.0) == seeds


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 30), st.sampled_from([1, 3, 99, 999]), st.sampled_from([0.5, 0.8, 0.99]))
def test_seeds_needed_is_what_trying_every_number_gives(effect, comparisons, power):
    sizes = range(2, 1001)
    found = bisect_left(sizes, power, key=lambda n: paired_power(effect, n, 0.05 / comparisons))
    wanted = sizes[found] if found < len(sizes) else None
    assert seeds_needed(effect, 1.0, power=power, comparisons=comparisons) == wanted


def test_seeds_needed_at_its_ends():
    assert seeds_needed(1e9, 1.0) == seeds_needed(0.5, 0.0) == 2
    assert seeds_needed(0.0887, 1.0) == 1000
    assert seeds_needed(0.0886, 1.0) is None
    assert seeds_needed(0.08, 1.0) is seeds_needed(0.0, 1.0) is seeds_needed(0.0, 0.0) is None
    assert seeds_needed(math.nan, 1.0) is seeds_needed(1.0, math.nan) is None
    assert seeds_needed(0.5, 1.0, comparisons=5) == seeds_needed(0.5, 1.0, level=0.01) > 34


def test_power_is_what_a_simulation_finds():
    generator = np.random.default_rng(11)
    for effect, n, level in ((0.8, 5, 0.05), (3.0, 3, 0.0125), (0.3, 60, 0.05)):
        drawn = generator.normal(effect, 1, (40_000, n))
        found = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < level).mean()
        assert paired_power(effect, n, level) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize("n", [2, 3, 10, 200])
@pytest.mark.parametrize("effect", [0.0, 0.1, 0.4])
def test_power_is_the_noncentral_t(effect, n):
    critical, shift = stats.t.isf(0.025, n - 1), effect * math.sqrt(n)
    if n == 200 and effect == 0.4:
        tails = stats.nct.sf(critical, n - 1, shift)  # the other tail is below 1e-9
    else:
        tails = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
    assert paired_power(effect, n) == pytest.approx(tails, abs=1e-6)


@pytest.mark.parametrize(("n", "comparisons"), [(2, 1), (3, 4), (5, 1), (40, 20)])
def test_the_least_resolvable_difference_is_just_resolved(n, comparisons):
    least = least_resolvable(0.7, n, comparisons=comparisons)
    assert paired_power(least / 0.7, n, 0.05 / comparisons) == pytest.approx(0.8, abs=1e-8)
    assert seeds_needed(least * 1.0001, 0.7, comparisons=comparisons) == n
    assert least_resolvable(1.4, n, comparisons=comparisons) == pytest.approx(2 * least)


def test_least_resolvable_at_its_ends():
    assert least_resolvable(0.0, 5) == 0.0
    assert math.isnan(least_resolvable(1.0, 1))
    assert math.isnan(least_resolvable(math.nan, 5))


def test_prediction_interval_by_hand():
    # 1, 2, 3: mean 2, sd 1, sqrt(1 + 1/3)
    half = T2 * math.sqrt(4 / 3)
    assert prediction_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half), abs=1e-12)
    assert all(math.isnan(bound) for bound in prediction_interval([1.0]))


def test_prediction_interval_covers_the_next_run_as_often_as_it_says():
    generator = np.random.default_rng(3)
    drawn = generator.normal(size=(4000, 4))
    held = [low <= new <= high for *old, new in drawn for low, high in [prediction_interval(old, level=0.8)]]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)
