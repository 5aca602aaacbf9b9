"""What each look can resolve, against simulated rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.planning.resolvable import looks_of
from studies.definition.stopping import Stopping


def test_a_difference_that_a_look_resolves_has_a_p_at_its_limit_or_below_in_four_of_five_rows():
    for look in looks_of(Stopping(looks=(5, 9), spending="pocock"), 3):
        assert 2 * stats.t.sf(look.meets * np.sqrt(look.n), look.n - 1) == pytest.approx(look.limit, rel=1e-9)
        rows = look.resolves + np.random.default_rng(3).standard_normal((40_000, look.n))
        assert np.mean(stats.ttest_1samp(rows, 0.0, axis=1).pvalue <= look.limit) == pytest.approx(0.8, abs=0.008)


def test_a_look_that_resolves_nothing_is_called_so():
    """Five rows, level / 5: the look at 4 of 16 seeds that used to be the first by default."""
    told = list(map(str, looks_of(Stopping(looks=(4, 8, 12, 16)), 5)))
    assert told[0] == "look at 4 seeds: only differences above 191 sd: it resolves nothing"
    assert (
        told[3] == "look at 16 seeds: differences above 0.75 sd (of paired differences), a true one of 0.98 sd in 80 %"
    )


def test_no_look_of_the_default_rule_is_dead_with_up_to_eight_comparisons():
    looks = looks_of(Stopping(), 8)
    assert not any(look.dead for look in looks)
    assert looks[0].meets < 3.1
