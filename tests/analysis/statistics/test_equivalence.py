"""Equivalence within a margin against R, statsmodels and scipy, and against the laws it must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from analysis.statistics.paired import paired, tost
from tests.analysis.samples import ERRORS, SLEEP

eighths = st.integers(-80, 80).map(lambda count: count / 8)
differences = st.lists(eighths, min_size=2, max_size=8).map(lambda each: paired(each, [0.0] * len(each)))
margins = st.floats(0.01, 20)


@pytest.mark.parametrize(
    ("sample", "margin", "lower", "upper"),
    [  # R 4.2.2: t.test(x, y, paired = TRUE, mu = -margin, alternative = "greater")$p.value, and with "less" at +margin
        (ERRORS, 0.9, 0.020560654927703013, 0.00012178687790922989),
        (SLEEP, 3.0, 0.0026555702926586711, 4.5226949658324464e-07),
    ],
    ids=["errors", "sleep"],
)
def test_tost_is_the_larger_of_rs_two_tests(sample, margin, lower, upper):
    found = paired(*sample)
    assert tost(found, margin) == pytest.approx(max(lower, upper), abs=1e-12)
    assert tost(paired(*reversed(sample)), margin) == pytest.approx(max(lower, upper), abs=1e-12)


def test_tost_is_statsmodels_and_scipys():
    generator = np.random.default_rng(29)
    for n in (2, 3, 5, 17):
        ours, baseline = generator.normal(20, 1, n), generator.normal(20.2, 1, n)
        for margin in (0.1, 0.5, 2.0):
            found = tost(paired(ours, baseline), margin)
            assert found == pytest.approx(ttost_paired(ours, baseline, -margin, margin)[0], abs=1e-12)
            one_sided = [
                stats.ttest_1samp(ours - baseline, -margin, alternative="greater").pvalue,
                stats.ttest_1samp(ours - baseline, margin, alternative="less").pvalue,
            ]
            assert found == pytest.approx(max(one_sided), abs=1e-12)


def test_without_spread_nothing_is_claimed():
    for difference in (paired([1.0], [1.0]), paired([1.0, 2.0], [1.0, 2.0]), paired([1.0, 2.0], [0.9, 1.9])):
        assert math.isnan(tost(difference, 5.0))


@given(differences, margins, margins)
def test_a_wider_margin_never_has_a_larger_p(difference, one, other):
    if difference.sd > 0:
        assert tost(difference, max(one, other)) <= tost(difference, min(one, other))


@given(differences, margins)
def test_it_is_claimed_where_the_interval_of_twice_the_level_lies_within(difference, margin):
    if difference.sd > 0:
        half = stats.t.isf(0.05, difference.n - 1) * difference.sd / math.sqrt(difference.n)
        inside = -margin < difference.mean - half and difference.mean + half < margin
        assert (tost(difference, margin) < 0.05) == inside


@given(st.lists(eighths, min_size=2, max_size=8), margins)
def test_the_sign_does_not_matter_and_the_unit_goes_with_the_margin(sample, margin):
    zero = [0.0] * len(sample)
    here, there = paired(sample, zero), paired(zero, sample)
    wide = paired([8 * each for each in sample], zero)
    assert [tost(there, margin), tost(wide, 8 * margin)] == pytest.approx([tost(here, margin)] * 2, nan_ok=True, rel=0)
