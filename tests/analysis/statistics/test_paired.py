"""Paired differences against hand-worked answers, against scipy and R, and against the laws they must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.paired import cohens_dz, differences, hedges_g, paired, predicted_difference
from tests.analysis.samples import ERRORS, SLEEP

T2 = 0.95 * math.sqrt(2 / (1 - 0.95**2))  # the 0.975 quantile of t with 2 degrees of freedom, in closed form

eighths = st.integers(0, 800).map(lambda count: count / 8)  # sums and differences of these are exact
pairs = st.lists(st.tuples(eighths, eighths), min_size=2, max_size=8)


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
        ([0.0, 5e-324, 1e-160], [0.0, 0.0, 0.0], 0.0),
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


# R 4.2.2: t.test(x, y, paired = TRUE), printed with sprintf("%.17g", ...)
@pytest.mark.parametrize(
    ("sample", "mean", "t", "p", "low", "high"),
    [
        (SLEEP, -1.58, -4.0621276833820366, 0.0028328901973842702, -2.4598857632769824, -0.70011423672301754),
        (ERRORS, -0.552, -4.711928839624222, 0.0092265029479919637, -0.87725909245085376, -0.22674090754914544),
    ],
    ids=["sleep", "errors"],
)
def test_paired_is_rs_t_test(sample, mean, t, p, low, high):
    found = paired(*sample)
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert (found.p, found.low, found.high) == pytest.approx((p, low, high), abs=1e-12)
    assert cohens_dz(found) * math.sqrt(found.n) == pytest.approx(t, abs=1e-12)


def test_a_wider_level_is_rs_conf_level():
    # t.test(x, y, paired = TRUE, conf.level = 0.9) on `sleep`
    found = paired(*SLEEP, level=0.9)
    assert (found.low, found.high) == pytest.approx((-2.2930052670292835, -0.8669947329707165), abs=1e-12)


@given(pairs, st.integers(-6, 6))
def test_another_unit_scales_differences_and_leaves_p_and_effect(sample, power):
    ours, baseline = np.array(sample).T
    one, other = paired(ours, baseline), paired(ours * 2.0**power, baseline * 2.0**power)
    assert [other.mean, other.sd, other.low, other.high] == pytest.approx(
        [value * 2.0**power for value in (one.mean, one.sd, one.low, one.high)], nan_ok=True, rel=1e-14
    )
    assert [other.p, cohens_dz(other), hedges_g(other)] == pytest.approx(
        [one.p, cohens_dz(one), hedges_g(one)], nan_ok=True, rel=1e-14
    )


def test_differences_are_made_equal_only_within_rounding():
    assert differences([12.3, 13.4, 0.7], [11.2, 12.3, -0.4]).tolist() == [pytest.approx(1.1, abs=1e-15)] * 3
    assert np.ptp(differences([12.3, 13.4, 0.7], [11.2, 12.3, -0.4])) == 0
    assert differences([20.0, 20.0], [19.0, 19.0 + 1e-12]).tolist() == [1.0, 20.0 - (19.0 + 1e-12)]


def test_effect_by_hand():
    # differences -1, -2, -3: mean -2, sd 1; J(2) = gamma(1) / (1 gamma(1/2)) = 1 / sqrt(pi)
    found = paired([10.0, 11.0, 12.0], [11.0, 13.0, 15.0])
    assert cohens_dz(found) == pytest.approx(-2, abs=1e-15)
    assert hedges_g(found) == pytest.approx(-2 / math.sqrt(math.pi), abs=1e-14)
    # 0, 1, 2, 3, 4: mean 2, sd sqrt(5/2); J(4) = gamma(2) / (sqrt(2) gamma(3/2)) = sqrt(2 / pi)
    found = paired(np.arange(5.0), np.zeros(5))
    assert hedges_g(found) == pytest.approx(2 / math.sqrt(2.5) * math.sqrt(2 / math.pi), abs=1e-14)


def test_effect_at_its_ends():
    two, equal, one = paired([1.0, 2.0], [0.0, 0.0]), paired([1.0] * 3, [0.5] * 3), paired([1.0], [0.0])
    assert cohens_dz(two) == pytest.approx(1.5 / math.sqrt(0.5), abs=1e-15)
    assert all(map(math.isnan, (hedges_g(two), cohens_dz(equal), hedges_g(equal), cohens_dz(one), hedges_g(one))))


@pytest.mark.parametrize("n", [4, 5, 10])
def test_hedges_g_has_no_bias_and_dz_has(n):
    drawn = np.random.default_rng(2).normal(0.8, 1.0, (20_000, n))
    dz = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1)
    factor = hedges_g(paired(drawn[0], np.zeros(n))) / cohens_dz(paired(drawn[0], np.zeros(n)))
    error = 3 * factor * dz.std() / math.sqrt(len(dz))
    assert factor * dz.mean() == pytest.approx(0.8, abs=error)
    assert dz.mean() > 0.8 + 2 * error


def test_where_the_difference_of_two_new_runs_falls():
    # variances 1 and 3, covariance 1.5, of the differences -1, 1, 0 also 1: V = 1 + 3 + 1/3 = 13/3
    # A S = [[4/3, -1/3], [-1/3, 4/3]] [[1, 3/2], [3/2, 3]] = [[5/6, 1], [5/3, 7/2]]; the trace of its square is 586/36
    # degrees of freedom 2 (13/3)^2 / (586/36) = 1352/586
    ours, baseline = [21.0, 20.0, 19.0], [27.0, 24.0, 24.0]
    half = stats.t.ppf(0.975, 1352 / 586) * math.sqrt(13 / 3)
    assert predicted_difference(ours, baseline) == pytest.approx((-5 - half, -5 + half), abs=1e-9)
    assert all(map(math.isnan, predicted_difference([1.0], [2.0])))
    assert all(map(math.isnan, predicted_difference([0.1, 0.1, 0.1], [0.7, 0.7, 0.7])))
