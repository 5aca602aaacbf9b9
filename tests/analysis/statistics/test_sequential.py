"""Limits of several looks: against hand-worked cases, published ones, and simulated studies."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.power import equivalence_power, paired_power
from analysis.statistics.sequential import allowance, limits, stops
from analysis.table.interim import interim
from studies.definition.stopping import Stopping


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


@pytest.mark.parametrize(("effect", "margin"), [(0.0, 0.9), (0.6, 0.9), (1.2, None)])
def test_simulated_stops_are_those_of_rows_walked_one_by_one(effect, margin):
    """Against the walk that tables take, over single seeds of 2,000 other rows."""
    rule = Stopping(looks=(4, 7, 10))
    found = stops(rule.looks, 0.05 / 2, rule.spending, effect, margin)
    ends, rows = Counter(), 2000
    for differences in (effect + np.random.default_rng(5).standard_normal((rows, 10))).tolist():
        walked = interim(dict(enumerate(differences)), dict.fromkeys(range(10), 0.0), range(10), rule, 2, margin)
        ends[walked.outcome, walked.wanted] += 1
    for outcome, shares in (("different", found.different), ("equivalent", found.equivalent)):
        for n, share in zip(rule.looks, shares, strict=True):
            assert share == pytest.approx(ends[outcome, n] / rows, abs=0.04)
    assert found.seeds == pytest.approx(sum(n * count for (_, n), count in ends.items()) / rows, abs=0.2)


def test_simulated_stops_have_the_power_of_one_look_and_the_errors_that_may_be_spent():
    """Exact: the power of the paired t-test, and of two one-sided tests; under no difference the allowances."""
    for n, effect in ((2, 3.0), (3, 2.0), (9, 1.0)):
        found = stops((n,), 0.05, "pocock", effect)
        assert found.different[0] == pytest.approx(paired_power(effect, n), abs=0.012)
        assert found.seeds == n
    same = stops((12,), 0.05, "pocock", 0.2, margin=1.1).equivalent[0]
    different = paired_power(0.2, 12)  # it is looked for first
    assert same == pytest.approx(equivalence_power(1.1, 12, effect=0.2), abs=different + 0.012)
    errors = np.cumsum(stops((2, 5, 6), 0.2, "pocock", 0.0).different)
    assert errors == pytest.approx([allowance(n / 6, 0.2, "pocock") for n in (2, 5, 6)], abs=0.012)
