"""Coverage and level on simulated studies: the quick form of tests/benchmarks/inference.py, at a tenth of its size."""

import numpy as np
import pytest

from tests.benchmarks import inference
from tests.benchmarks.inference import MEASURES, main, measure
from tests.benchmarks.simulated import Measured, draw


@pytest.mark.parametrize("name", MEASURES)
def test_every_claim_holds(name):
    found = list(measure([name], 3000 if name == "factorials" else 1000))
    assert any(each.claim for each in found)
    assert [str(each) for each in found if not each.holds] == []


def test_a_bootstrap_interval_that_is_not_expanded_is_too_narrow():
    found = {each.title: each.found for each in measure(["bootstrap"], 1000)}
    assert 85 < found["(BCa, not expanded) covers, normal, 10 seeds"] < 92
    assert 93 < found["BCa interval covers, normal, 10 seeds"] < 97


def test_rows_that_a_rule_calls_different_differ_by_less_than_they_seem_to():
    found = {each.title: each.found for each in measure(["stopped"], 1000)}
    half, most = (found[f"(mean Δ if called different, over the true {effect} sd)"] for effect in (0.5, 1))
    assert 150 < half < 180
    assert 105 < most < 115
    assert found["(mean Δ if called different at 8 seeds, over the true 1 sd)"] > 130


def test_what_rows_do_not_resolve_a_slope_may():
    found = {each.title: each.found for each in measure(["trends"], 1000)}
    slope, rows = (found[f"(1.5 sd end to end, found by {what}, normal, 5 seeds)"] for what in ("slope", "any row"))
    assert 43 < slope < 53
    assert 20 < rows < 30


def test_raw_means_of_cells_and_pooled_contrasts_would_err():
    raw = {each.title: each.found for each in measure(["cells"], 1000)}
    assert raw["(its raw mean's interval misses, normal)"] > 30
    pooled = {each.title: each.found for each in measure(["levels"], 1000)}
    assert pooled["(by Tukey, normal, shared, 5 seeds)"] > 20
    unadjusted = {each.title: each.found for each in measure(["pairs"], 1000)}
    assert unadjusted["(as if it had been declared, normal, 5 seeds)"] > 7


def test_a_claim_can_fail():
    assert Measured(title="", found=94.0, n=10_000, claim="95 ± 1").holds
    assert not Measured(title="", found=93.9, n=10_000, claim="95 ± 1").holds
    assert not Measured(title="", found=96.1, n=10_000, claim="95 ± 1").holds
    assert Measured(title="", found=5.6, n=10_000, claim="at most 5").holds
    assert not Measured(title="", found=5.7, n=10_000, claim="at most 5").holds
    assert Measured(title="", found=50.0, n=10_000).holds, "nothing is claimed"


def test_a_test_that_rejects_too_often_is_found(monkeypatch, capsys):
    for name in ("holm", "_holm"):
        monkeypatch.setattr(inference, name, lambda p: p)  # five comparisons, not adjusted
    monkeypatch.setattr("sys.argv", ["inference", "--studies", "1000", "--only", "families"])
    assert main() == 1
    said = capsys.readouterr().out
    assert "at most 5: DOES NOT HOLD" in said
    assert "claims do not hold" in said


def test_the_simulated_truth_is_the_truth():
    normal = draw("normal", np.random.default_rng(0), 4000, 5, (0.4, -1.0))
    assert normal.mean(axis=(0, 2)) == pytest.approx([25, 25.4, 24], abs=0.02)
    between = np.cov(normal[:, :2, 0].T)  # the seed's variance is shared, the run's is not
    assert between == pytest.approx(np.array([[0.1525, 0.09], [0.09, 0.1525]]), abs=0.015)
    counts = draw("counts", np.random.default_rng(0), 4000, 5, (0.4,))
    assert counts.mean(axis=(0, 2)) == pytest.approx([25, 25.4], abs=0.02)
    assert np.round(counts * 100) == pytest.approx(counts * 100, abs=1e-9), "errors are whole counts of 10,000"
    assert (counts != np.round(counts)).any()
