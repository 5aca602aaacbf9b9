"""What a named difference takes: against simulated studies, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.planning.forecast import forecast
from studies.definition.stopping import Stopping
from tests.analysis.report.made import asked


def test_so_many_seeds_resolve_four_of_five_rows_and_one_less_does_not():
    """0.3 points at an sd of 0.25, four comparisons: t-tests at 0.0125 of 40,000 rows."""
    found = forecast(replace(asked(4, seeds=6), margin=0.2), 0.3, 0.25, {})
    rows = 0.3 + 0.25 * np.random.default_rng(2).standard_normal((40_000, found.seeds))
    counts = (6, found.seeds - 1, found.seeds)
    share = {n: np.mean(stats.ttest_1samp(rows[:, :n], 0.0, axis=1).pvalue <= 0.0125) for n in counts}
    assert share[found.seeds - 1] < 0.8 < share[found.seeds]
    assert found.power == pytest.approx(share[6], abs=0.008)
    alike = 0.25 * np.random.default_rng(3).standard_normal((40_000, found.seeds_equivalent))
    for n, enough in ((found.seeds_equivalent, True), (found.seeds_equivalent - 1, False)):
        sides = [
            stats.ttest_1samp(alike[:, :n], side, axis=1, alternative=than).pvalue
            for side, than in ((-0.2, "greater"), (0.2, "less"))
        ]
        assert (np.mean(np.maximum(*sides) <= 0.0125) >= 0.8) == enough
    assert found.hours is None


def test_device_hours_are_those_of_every_row_and_its_baseline():
    pace = {"none": 1.0, "r1": 2.0, "r2": 4.0}
    fixed = forecast(asked(2), 1.0, 0.5, pace)
    assert fixed.hours == 7.0 * fixed.seeds
    assert forecast(asked(2), 1.0, 0.5, pace | {"r2": 0.0}).hours == 3.0 * fixed.seeds
    assert forecast(asked(2), 1.0, 0.5, {"none": 1.0}).hours is None
    assert forecast(asked(2).stopping_by(Stopping(looks=(3, 5))), 1.0, 0.5, pace).hours == 35.0


def test_by_a_rule_the_shares_of_its_looks_add_up():
    study = replace(asked(2).stopping_by(Stopping(looks=(3, 5, 6), spending="pocock")), margin=0.5)
    found = forecast(study, 0.8, 0.4, {})
    one, two, three = found.looks
    assert (one.seeds, two.seeds, three.seeds) == (3, 5, 6)
    assert (one.by_then, two.by_then) == (one.stops, pytest.approx(one.stops + two.stops))
    assert found.power == three.by_then
    assert found.power < forecast(asked(2, seeds=6), 0.8, 0.4, {}).power, "looking costs power"
    last = 6 * (1 - one.stops - two.stops)
    assert found.seeds <= 3 * one.stops + 5 * two.stops + last + 1e-9, "some stop as equivalent"
    assert 0 < one.equivalent < two.equivalent
    assert found.seeds_if_none < 6
    mirrored = np.sqrt(3) * one.meets / 0.4
    assert 2 * stats.t.sf(mirrored, 2) == pytest.approx(0.05 / 2 * np.log(1 + (np.e - 1) / 2), rel=1e-6), "by hand"


def test_what_is_out_of_reach():
    found = forecast(replace(asked(2), margin=0.001), 0.001, 1.0, {"none": 1.0, "r1": 1.0, "r2": 1.0})
    assert (found.seeds, found.seeds_equivalent, found.hours) == (None, None, None)
    assert forecast(asked(2, seeds=1), 1.0, 1.0, {}).power is None
