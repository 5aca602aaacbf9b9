"""What failed pairs could have changed, worked by hand."""

from __future__ import annotations

import math

import pytest

from analysis.statistics.failed_pairs import p_different, p_equivalent
from analysis.statistics.paired import paired, tost

SEEN = [-2.0, -1.9, -2.1, -2.2]


def test_without_failures_they_are_the_usual_tests():
    delta = paired(SEEN, [0.0] * 4)
    assert p_different(SEEN, 0) == pytest.approx(delta.p, rel=1e-12)
    assert p_different([-d for d in SEEN], 0) == pytest.approx(delta.p, rel=1e-12)
    assert p_equivalent(SEEN, 0, 2.5) == pytest.approx(tost(delta, 2.5), rel=1e-12)


def test_a_failed_pair_lies_as_far_on_the_other_side_as_the_largest_difference():
    """-2, -1.9, -2.1, -2.2 and +2.2: mean -1.2, sd 1.9039; t = -1.2 / (1.9039 / √5) = -1.409, p = 0.2315 with 4."""
    assert p_different(SEEN, 1) == pytest.approx(paired([*SEEN, 2.2], [0.0] * 5).p, rel=1e-12)
    assert p_different(SEEN, 1) == pytest.approx(0.2315, abs=1e-4)
    assert p_different([-d for d in SEEN], 1) == pytest.approx(0.2315, abs=1e-4)


def test_one_failed_pair_of_fourteen_overturns_nothing():
    """13 of -1 ± 0.1 and +1.1: t = -0.85 / (0.569 / √14) = -5.6."""
    seen = [-1.1, -0.9] * 6 + [-1.0]
    assert p_different(seen, 1) == pytest.approx(paired([*seen, 1.1], [0.0] * 14).p, rel=1e-12)
    assert p_different(seen, 1) < 0.001


def test_equivalence_counts_a_failed_pair_as_outside_the_margin_on_the_worse_side():
    """0.1, -0.1, 0.05, 0 less 1: -0.9, -1.1, -0.95, -1, and the failed at +1.1; on the other side +1.1, too."""
    seen = [0.1, -0.1, 0.05, 0.0]
    above = paired([-0.9, -1.1, -0.95, -1.0, 1.1], [0.0] * 5).p / 2
    below = paired([-1.1, -0.9, -1.05, -1.0, 1.1], [0.0] * 5).p / 2
    assert p_equivalent(seen, 1, 1.0) == pytest.approx(max(above, below), rel=1e-12)
    assert p_equivalent(seen, 0, 1.0) < 0.001


def test_one_pair_and_equal_ones_say_nothing():
    assert math.isnan(p_different([1.0], 1))
    assert math.isnan(p_different([1.0, 1.0], 0))
