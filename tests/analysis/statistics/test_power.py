"""Power, seeds and predictions against G*Power, R, scipy, slow oracles and simulation."""

import math
from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.statistics.paired import paired, prediction_interval, tost
from analysis.statistics.power import (
    equivalence_power,
    least_resolvable,
    paired_power,
    seeds_for_equivalence,
    seeds_needed,
)

T2 = 0.95 * math.sqrt(2 / (1 - 0.95**2))  # the 0.975 quantile of t with 2 degrees of freedom, in closed form


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


@pytest.mark.parametrize(
    ("effect", "n", "power"),
    [  # R 4.2.2: power.t.test(n = 5, delta = 1, sd = 1, type = "paired", strict = TRUE)$power
        (1.0, 5, 0.40138991737245289),
        (0.8, 10, 0.61623276347503542),
    ],
)
def test_power_is_rs(effect, n, power):
    assert paired_power(effect, n) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize("effect", [0.0, 0.3, -0.6, 1.0, 20.0])
@pytest.mark.parametrize(("margin", "n"), [(3.0, 2), (1.0, 5), (2.0, 5), (0.7, 20)])
def test_equivalence_power_is_the_integral_over_the_spread(margin, n, effect):
    # given the sd s of the differences, |mean| has to stay below margin - t s / sqrt(n)
    critical, root = stats.t.isf(0.05, n - 1), math.sqrt(n)

    def of(s):
        room = margin * root - critical * s
        within = stats.norm.cdf(room - effect * root) - stats.norm.cdf(-room - effect * root)
        return within * 2 * s * (n - 1) * stats.chi2.pdf(s**2 * (n - 1), n - 1)

    slow, _ = integrate.quad(of, 0, margin * root / critical, epsabs=1e-12)
    assert equivalence_power(margin, n, effect=effect) == pytest.approx(slow, abs=1e-6)


@pytest.mark.parametrize(("margin", "n", "level"), [(0.3, 4, 0.05), (1.0, 16, 0.0125), (1.5, 5, 0.05), (9.0, 3, 0.01)])
def test_equivalence_power_of_no_difference_is_twice_one_half(margin, n, level):
    z = np.linspace(0.0, min(margin * math.sqrt(n), 8.0), 3201)
    critical = stats.t.isf(level, n - 1)
    below = stats.chi2.cdf((n - 1) * ((margin * math.sqrt(n) - z) / critical) ** 2, n - 1)
    assert equivalence_power(margin, n, level) == pytest.approx(
        2 * np.trapezoid(below * stats.norm.pdf(z), z), abs=1e-9
    )


def test_equivalence_power_is_what_a_simulation_finds():
    generator = np.random.default_rng(13)
    for margin, n, effect in ((1.5, 5, 0.0), (0.9, 12, 0.0), (1.5, 6, 0.6), (1.5, 12, -0.6), (1.0, 20, 0.9)):
        drawn = [paired(each, np.zeros(n)) for each in generator.normal(effect, 1, (4000, n))]
        claimed = np.mean([tost(difference, margin) < 0.05 for difference in drawn])
        assert equivalence_power(margin, n, effect=effect) == pytest.approx(claimed, abs=0.025)


@pytest.mark.parametrize("share", [0.0, 0.3, -0.7])
@pytest.mark.parametrize("margin", [0.3, 0.7, 1.0, 4.0])
def test_seeds_for_equivalence_are_just_enough(margin, share):
    n = seeds_for_equivalence(margin * 0.6, share * margin * 0.6, 0.6)
    effect = share * margin
    assert equivalence_power(margin, n, effect=effect) >= 0.8 > equivalence_power(margin, n - 1, effect=effect)
    if share:
        assert n >= seeds_for_equivalence(margin * 0.6, 0.0, 0.6)
        return
    # a normal with known spread needs (z(.95) + z(.9))² / margin²: never more than t does
    assert n >= (stats.norm.isf(0.05) + stats.norm.isf(0.1)) ** 2 / margin**2


def test_a_difference_near_the_margin_takes_many_more_seeds_to_call_none_than_no_difference():
    level = 0.05 / 4  # four comparisons; the spread and the margin are both 0.3
    assert seeds_for_equivalence(0.3, 0.0, 0.3, level=level) == 16
    assert equivalence_power(1.0, 16, level, effect=0.9) == pytest.approx(0.0305, abs=1e-4)
    assert seeds_needed(0.27, 0.3, comparisons=4) == 17
    # a normal with known spread needs ((z(.9875) + z(.8)) / 0.1)² = 952
    assert seeds_for_equivalence(0.3, 0.27, 0.3, level=level) == 954


def test_seeds_for_equivalence_at_its_ends():
    assert seeds_for_equivalence(0.3, 0.0, 0.0) == seeds_for_equivalence(1e9, 0.0, 1.0) == 2
    assert seeds_for_equivalence(0.001, 0.0, 1.0) is seeds_for_equivalence(1.0, 0.0, math.nan) is None
    for mean in (1.0, -1.0, 1.5, math.nan):
        assert seeds_for_equivalence(1.0, mean, 0.5) is seeds_for_equivalence(1.0, mean, 0.0) is None
    assert seeds_for_equivalence(1.0, -0.5, 0.5) == seeds_for_equivalence(1.0, 0.5, 0.5)


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
