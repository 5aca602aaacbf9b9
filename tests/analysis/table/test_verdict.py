"""What may be concluded, and how the table says it."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.statistics.paired import PairedDifference, paired
from analysis.statistics.power import seeds_needed
from analysis.table.verdict import verdict, without_figures


def difference(mean, sd, n=4, p=0.5):
    return PairedDifference(n=n, mean=mean, sd=sd, low=mean - 1, high=mean + 1, p=p)


@pytest.mark.parametrize(
    ("delta", "p_holm", "said"),
    [
        (None, math.nan, "not resolved: needs at least 2 paired seeds"),
        (paired([1.0], [1.0]), math.nan, "not resolved: needs at least 2 paired seeds"),
        (paired([1.0, 2.0], [1.0, 2.0]), math.nan, "not resolved: same Δ at every seed; needs more seeds"),
        (paired([1.0, 2.0], [1.5, 2.5]), math.nan, "not resolved: same Δ at every seed; needs more seeds"),
        (difference(-1.0, 0.3), 0.049, "better"),
        (difference(1.0, 0.3), 0.049, "worse"),
        (difference(0.5, 1.0), 0.05, "not resolved: needs about 30 more seeds"),  # 34 in all
        (difference(1.0, 1.0, n=9), 0.06, "not resolved: needs about 1 more seed"),  # 10 in all
        (difference(0.01, 1.0), 0.9, "not resolved: needs >1000 seeds"),
        (difference(0.0, 1.0), 1.0, "not resolved: needs >1000 seeds"),
    ],
)
def test_verdict(delta, p_holm, said):
    assert str(verdict(delta, p_holm, comparisons=1, wanted=2)) == said
    assert str(verdict(delta, p_holm, comparisons=1, wanted=2, unchanged=True)) == "changes nothing"


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({}, "not run"),
        ({"missing": 2}, "not run"),
        ({"missing": 1, "interrupted": 1}, "unfinished"),
        ({"running": 2}, "unfinished"),
        ({"missing": 3, "failed": 1, "running": 1}, "failed"),
    ],
)
def test_a_row_without_figures_says_why(states, said):
    assert str(without_figures(states)) == without_figures(states).kind == said


def test_a_verdict_before_all_wanted_seeds_is_one_of_the_moment():
    assert str(verdict(difference(-1.0, 0.3), 0.01, comparisons=1, wanted=5)) == "better so far (4 of 5 seeds)"
    assert str(verdict(difference(1.0, 0.3), 0.01, comparisons=1, wanted=5)) == "worse so far (4 of 5 seeds)"


@pytest.mark.parametrize(
    ("wanted", "failed", "said"),
    [
        (4, 0, "worse"),
        (5, 1, "worse (4 of 5 seeds; 1 failed)"),
        (6, 2, "worse (4 of 6 seeds; 2 failed)"),
        (6, 1, "worse so far (4 of 6 seeds; 1 failed)"),
        (6, 0, "worse so far (4 of 6 seeds)"),
    ],
)
def test_a_verdict_on_surviving_seeds_says_so_and_awaits_no_more(wanted, failed, said):
    found = verdict(difference(1.0, 0.3), 0.01, comparisons=1, wanted=wanted, failed=failed)
    assert str(found) == said
    assert (found.kind, found.settled, found.so_far) == ("worse", wanted == 4, "so far" in said)


@pytest.mark.parametrize(
    ("p_tost", "said"),
    [(0.049, "equivalent within ±0.3"), (0.05, "not resolved: needs about 30 more seeds"), (math.nan, "not resolved")],
)
def test_equivalence_has_the_level_of_a_difference(p_tost, said):
    told = verdict(difference(0.5, 1.0), 0.5, comparisons=1, wanted=4, p_tost=p_tost, margin=0.3)
    assert str(told).startswith(said)
    assert told.within == (0.3 if p_tost < 0.05 else None)


def test_where_higher_is_better_a_rise_is_better():
    rise, fall = difference(1.0, 0.3), difference(-1.0, 0.3)
    assert str(verdict(rise, 0.01, comparisons=1, wanted=4, higher_is_better=True)) == "better"
    assert str(verdict(fall, 0.01, comparisons=1, wanted=4, higher_is_better=True)) == "worse"


def test_more_comparisons_need_more_seeds():
    more = seeds_needed(0.5, 1.0, comparisons=5) - 4
    assert (
        str(verdict(difference(0.5, 1.0), 0.5, comparisons=5, wanted=4))
        == f"not resolved: needs about {more} more seeds"
    )


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=8), st.integers(1, 20))
def test_an_unresolved_row_never_has_the_seeds_it_is_said_to_need(differences, comparisons):
    delta = paired(differences, [0.0] * len(differences))
    assume(delta.sd > 0)
    assume(delta.p * comparisons >= 0.05)
    needed = seeds_needed(delta.mean, delta.sd, comparisons=comparisons)
    assert needed is None or needed > delta.n
