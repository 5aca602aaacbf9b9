"""The sign-flip test against hand counts, against scipy, and against the laws it must obey."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.paired import paired
from analysis.statistics.resampling import sign_flip
from analysis.table.model import evidence

hundredths = st.integers(-300, 300)
samples = st.lists(hundredths, min_size=1, max_size=8)


def p_of(differences, seed=0):
    return sign_flip(differences, np.zeros(len(differences)), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.5], 1.0),
        ([1.0, 2.0], 0.5),
        ([1.0, 2.0, 3.0], 0.25),  # sums 6 4 2 0 and their opposites: ±6 of 8
        ([1.0, 2.0, -3.0], 1.0),  # the sum is 0
        ([3.0, 2.0, -1.0], 0.5),  # the sum is 4: ±6, ±4 of 8
        ([1.0, 1.0, 1.0, 1.0, -1.0], 12 / 32),  # five signs: 5 or 3 in absolute value: 2 (1 + 5)
        ([0.0, 0.0, 0.0], 1.0),
        ([0.0, 1.0, 2.0, 3.0], 0.25),  # a 0 neither helps nor harms
        ([-0.5] * 5, 2 / 32),
        ([-0.5] * 6, 2 / 64),
    ],
)
def test_sign_flip_by_hand(differences, p):
    assert p_of(differences) == p_of([-each for each in differences]) == p


@given(samples)
def test_ties_of_percentages_are_counted_as_in_whole_numbers(counts):
    # errors are counts in hundredths of a percent, in which 0.1 + 0.2 is not 0.3
    patterns = [
        abs(sum(s * c for s, c in zip(signs, counts, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(counts))
    ]
    p = sum(total >= abs(sum(counts)) for total in patterns) / len(patterns)
    baseline = np.full(len(counts), 21.49)
    assert sign_flip([21.49 + count / 100 for count in counts], baseline, np.random.default_rng(0)) == p


@given(samples, st.integers(-1000, 1000), st.permutations(range(8)))
def test_shift_scale_and_order_leave_p(counts, shift, order):
    order = [index for index in order if index < len(counts)]
    again = sign_flip(
        [3.0 * (counts[index] + shift) for index in order],
        [3.0 * shift] * len(counts),
        np.random.default_rng(0),
    )
    assert again == p_of(counts)


@given(samples)
def test_no_p_is_below_two_of_all_patterns(counts):
    nonzero = sum(count != 0 for count in counts)
    assert p_of(counts) >= (2 / 2**nonzero if nonzero else 1)


def test_sign_flip_is_scipys_permutation_test():
    generator = np.random.default_rng(17)
    for n in (2, 5, 10):
        ours, baseline = generator.normal(20, 1, n), generator.normal(20.5, 1, n)
        reference = stats.permutation_test(
            (ours, baseline), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
        )
        assert sign_flip(ours, baseline, generator) == pytest.approx(reference.pvalue, abs=1e-12)


def test_twenty_pairs_are_enumerated_and_more_are_drawn():
    differences = np.random.default_rng(3).normal(0.3, 1, 21)
    assert p_of(differences[:20], seed=1) == p_of(differences[:20], seed=2)
    drawn = [p_of(differences, seed) for seed in range(4)]
    assert len(set(drawn)) == 4
    assert drawn == [p_of(differences, seed) for seed in range(4)]
    sums = np.zeros(1)
    for each in differences:
        sums = np.concatenate([sums + each, sums - each])
    exact = np.mean(np.abs(sums) >= abs(differences.sum()))
    assert drawn == pytest.approx([exact] * 4, abs=3 * math.sqrt(exact * (1 - exact) / 100_000))
    assert exact == pytest.approx(paired(differences, np.zeros(21)).p, abs=0.02)
    assert p_of(np.ones(40)) == 1 / 100_000, "the pattern that was seen counts as one of those drawn"


def test_sign_flip_refuses():
    for ours, baseline in (([], []), ([1.0], [1.0, 2.0]), ([1.0, math.inf], [1.0, 2.0])):
        with pytest.raises(ValueError, match="pairs need"):
            sign_flip(ours, baseline, np.random.default_rng(0))


def test_differences_of_large_figures_tie_as_the_counts_do():
    """Ten thousand images, errors near 22 %: the differences of percentages carry the rounding of the percentages."""
    counts = [10, 1, 17, -1, 4, -2, 10, 17]
    sums = [sum(s * c for s, c in zip(signs, counts, strict=True)) for signs in itertools.product((1, -1), repeat=8)]
    exact = sum(abs(each) >= sum(counts) for each in sums) / 256
    assert exact == 14 / 256
    baselines = [2213, 2187, 2206, 2201, 2198, 2219, 2190, 2203]
    differences = [100 * (b + c) / 10_000 - 100 * b / 10_000 for b, c in zip(baselines, counts, strict=True)]
    assert evidence(differences).p_sign_flip == exact


def test_equal_shifts_of_large_figures_have_no_spread_whoever_looks():
    """Seven images of 2,000 at every seed: the differences differ by the rounding of the percentages alone."""
    correct = [1700, 1688, 1731, 1650, 1712, 1699, 1690, 1711, 1703]
    differences = [100 * (2000 - k - 7) / 2000 - 100 * (2000 - k) / 2000 for k in correct]
    assert len(set(differences)) > 1
    found = evidence(differences)
    assert [math.isnan(one) for one in (found.hedges_g, found.bootstrap_low, found.bootstrap_high)] == [True] * 3
    assert found.p_sign_flip == 2 / 2**9


@given(st.lists(st.tuples(st.integers(100, 9000), st.integers(-30, 30)), min_size=2, max_size=8))
def test_evidence_counts_ties_as_whole_numbers_do(pairs):
    counts = [change for _, change in pairs]
    sums = [
        sum(s * c for s, c in zip(signs, counts, strict=True))
        for signs in itertools.product((1, -1), repeat=len(counts))
    ]
    exact = sum(abs(each) >= abs(sum(counts)) for each in sums) / len(sums)
    differences = [100 * (b + c) / 10_000 - 100 * b / 10_000 for b, c in pairs]
    assert evidence(differences).p_sign_flip == exact
