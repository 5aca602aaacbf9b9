"""The bootstrap interval against another implementation, at its ends, and against the laws it must obey."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.paired import paired
from analysis.statistics.resampling import bootstrap_interval, expansion

SKEWED = np.array([0.5, 1.8, 0.1, 0.3, 6.0, 0.2, 0.9, 0.4, 3.0, 0.6, 1.2, 0.7])


def interval(differences, seed=0, level=0.95, resamples=999):
    differences = np.asarray(differences)
    return bootstrap_interval(differences, np.zeros(len(differences)), np.random.default_rng(seed), level, resamples)


def bca_by_hand(sample, level, generator, resamples):
    """Efron (1987): percentiles of the resampled means, moved by the bias z0 and the acceleration a; z expanded."""
    n, mean = len(sample), sample.mean()
    means = sample[generator.integers(0, n, (resamples, n))].mean(axis=1)
    z0 = stats.norm.ppf(((means < mean).mean() + (means <= mean).mean()) / 2)
    left_out = np.array([np.delete(sample, index).mean() for index in range(n)])
    deviation = left_out.mean() - left_out
    a = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    z = math.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 2)
    ends = [z0 - z, z0 + z]
    return np.quantile(means, [stats.norm.cdf(z0 + end / (1 - a * end)) for end in ends])


def test_the_interval_is_efrons_with_an_expanded_quantile():
    found = np.mean([interval(SKEWED, seed, resamples=9999) for seed in range(10)], axis=0)
    by_hand = [bca_by_hand(SKEWED, 0.95, np.random.default_rng(100 + seed), 9999) for seed in range(10)]
    assert found == pytest.approx(np.mean(by_hand, axis=0), abs=0.05)
    t = paired(SKEWED, np.zeros(12))
    assert found[0] > t.low + 0.1, "skewed differences push both bounds to the long side"
    assert found[1] > t.high + 0.4


def test_the_quantile_is_students_and_tends_to_the_normal():
    assert expansion(10, 0.95) == pytest.approx(math.sqrt(10 / 9) * 2.306004135, abs=1e-9)  # t table, 8 degrees
    assert expansion(8, 0.9) == pytest.approx(math.sqrt(8 / 7) * 1.943180281, abs=1e-9)
    assert expansion(10**7, 0.95) == pytest.approx(1.959963985, abs=1e-6)


def test_the_generator_is_used():
    assert interval(SKEWED, 1) == interval(SKEWED, 1) != interval(SKEWED, 2)


def test_too_few_pairs_have_no_interval():
    # n differences all lie on one side of their true median with probability 2 / 2^n: 1/64 for 7, 1/128 for 8
    for n in (1, 2, 3, 4, 5, 6, 7):
        assert all(map(math.isnan, interval(SKEWED[:n])))
    assert not any(map(math.isnan, interval(SKEWED[:8])))
    assert not any(map(math.isnan, interval(SKEWED[:7], level=0.9)))
    assert all(map(math.isnan, interval(SKEWED[:6], level=0.9)))


def test_equal_differences_have_no_interval():
    found = bootstrap_interval(np.arange(8) + 0.1, np.arange(8), np.random.default_rng(0))
    assert all(map(math.isnan, found))


samples = st.lists(st.integers(-40, 40), min_size=8, max_size=11).filter(lambda sample: len(set(sample)) > 1)


@settings(max_examples=40)
@given(samples, st.integers(-20, 20))
def test_the_interval_lies_among_the_differences_and_moves_with_them(sample, shift):
    low, high = interval(sample)
    assert min(sample) <= low <= high <= max(sample)
    assert interval([each + shift for each in sample]) == pytest.approx((low + shift, high + shift), abs=1e-9)
    assert interval([each / 4 for each in sample]) == pytest.approx((low / 4, high / 4), abs=1e-12)


def test_many_pairs_have_the_t_interval():
    sample = np.random.default_rng(31).normal(1, 2, 400)
    t = paired(sample, np.zeros(400))
    assert interval(sample, resamples=9999) == pytest.approx((t.low, t.high), abs=0.03)


def test_refuses():
    with pytest.raises(ValueError, match="pairs need"):
        bootstrap_interval([1.0], [1.0, 2.0], np.random.default_rng(0))
