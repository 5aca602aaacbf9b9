"""Limits of several looks: against hand-worked cases, published ones, and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.sequential import allowance, limits


def test_spending_ends_at_the_level_and_follows_lan_and_demets():
    """OBF at half the seeds and 5 %: 2 (2 - 2 Phi(2.241403 / sqrt(0.5))) = 0.003051; Pocock: 0.05 ln(1 + 0.859141)."""
    assert allowance(1.0, 0.05, "obrien-fleming") == pytest.approx(0.05, rel=1e-12)
    assert allowance(1.0, 0.05, "pocock") == pytest.approx(0.05, rel=1e-12)
    assert allowance(0.5, 0.05, "obrien-fleming") == pytest.approx(0.003051, abs=5e-7)
    assert allowance(0.5, 0.05, "pocock") == pytest.approx(0.031006, abs=5e-7)


def test_one_look_is_the_t_test():
    assert limits((7,)) == (pytest.approx(0.05, rel=1e-12),)
    assert limits((2,), 0.01, "pocock") == (pytest.approx(0.01, rel=1e-12),)


def test_with_many_seeds_the_limits_are_those_of_the_normal():
    """Two looks, O'Brien-Fleming spending at 5 %: z = 2.963 and 1.969 (R's gsDesign, sfLDOF; Jennison, Turnbull)."""
    found = limits((50, 100))
    assert found[0] == pytest.approx(2 * stats.norm.sf(2.963), rel=3e-3)
    assert found[1] == pytest.approx(2 * stats.norm.sf(1.969), rel=3e-3)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("looks", [(3, 5, 8, 12), (2, 3), (4, 8, 12, 16)])
def test_the_chance_to_meet_a_limit_is_what_may_be_allowance(looks, spending):
    """400,000 studies of no difference; the paired t over growing prefixes of the same seeds."""
    differences = np.random.default_rng(7).standard_normal((400_000, looks[-1]))
    met = np.zeros(len(differences), dtype=bool)
    for n, limit in zip(looks, limits(looks, 0.05, spending), strict=True):
        part = differences[:, :n]
        t = part.mean(1) / part.std(1, ddof=1) * np.sqrt(n)
        met |= 2 * stats.t.sf(np.abs(t), n - 1) <= limit
        allowed = allowance(n / looks[-1], 0.05, spending)
        assert met.mean() == pytest.approx(allowed, abs=4 * np.sqrt(allowed / len(met)) + 1e-6)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(2, 12), min_size=2, max_size=4, unique=True).map(lambda looks: tuple(sorted(looks))),
    st.sampled_from([0.05, 0.01]),
    st.sampled_from(["obrien-fleming", "pocock"]),
)
def test_no_limit_is_below_its_own_share_nor_above_the_level(looks, level, spending):
    found = limits(looks, level, spending)
    allowed = [allowance(n / looks[-1], level, spending) for n in looks]
    steps = np.diff([0.0, *allowed])
    assert all(limit >= step * (1 - 1e-9) for limit, step in zip(found, steps, strict=True))
    assert all(limit <= total * (1 + 1e-9) for limit, total in zip(found, allowed, strict=True))
