"""Holm's adjustment against hand-worked answers, statsmodels and R, and against the laws it must obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from analysis.statistics.families import holm

p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=8)


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and the last may not fall below .06
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-15)
    with_unknown = holm([0.01, math.nan, 0.6, 0.7])  # three known: 0.03, 1.2 -> 1, 0.7 -> 1
    assert with_unknown == pytest.approx([0.03, math.nan, 1.0, 1.0], nan_ok=True, abs=1e-15)
    assert holm([]).shape == (0,)
    # a family of four of which two are known: times 4 and 3
    assert holm([0.01, math.nan, 0.02], comparisons=4) == pytest.approx([0.04, math.nan, 0.06], nan_ok=True, abs=1e-15)


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
    ("p", "comparisons", "adjusted"),
    [  # R 4.2.2: p.adjust(p, "holm"), and p.adjust(p, "holm", n = 8); NA is our NaN
        ([0.01, 0.02, 0.03, 0.04, 0.05], None, [0.05, 0.08, 0.09, 0.09, 0.09]),
        (
            [0.0123, 0.0004, 0.78, 0.031, 0.0301, math.nan, 0.2],
            None,
            [0.0615, 0.0024, 0.78, 0.1204, 0.1204, math.nan, 0.4],
        ),
        ([0.0123, 0.0004, 0.031], 8, [0.0861, 0.0032, 0.186]),
    ],
)
def test_holm_is_rs_p_adjust(p, comparisons, adjusted):
    assert holm(p, comparisons=comparisons) == pytest.approx(adjusted, nan_ok=True, abs=1e-15)


def test_holm_is_statsmodels():
    generator = np.random.default_rng(5)
    for m in (1, 2, 5, 24):
        p = generator.beta(0.5, 3, m)
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.data())
def test_holm_never_falls_as_a_p_rises(p, data):
    index = data.draw(st.integers(0, len(p) - 1))
    risen = [*p[:index], data.draw(st.floats(p[index], 1)), *p[index + 1 :]]
    assert holm(risen)[index] >= holm(p)[index]
