"""What may be concluded, and how the table says it."""

import math

import pytest

from analysis.statistics.paired import PairedDifference, paired
from analysis.table.verdict import verdict, without_figures


def difference(mean, sd, n=4, p=0.5):
    return PairedDifference(n=n, mean=mean, sd=sd, low=mean - 1, high=mean + 1, p=p)


@pytest.mark.parametrize(
    ("delta", "p", "said"),
    [
        (None, math.nan, "too few seeds so far (0 of 2 seeds)"),
        (paired([1.0], [1.0]), math.nan, "too few seeds so far (1 of 2 seeds)"),
        (paired([1.0, 2.0], [1.0, 2.0]), math.nan, "no clear difference: same Δ at every seed"),
        (paired([1.0, 2.0], [1.5, 2.5]), math.nan, "no clear difference: same Δ at every seed"),
        (difference(-1.0, 0.3), 0.0499, "better"),
        (difference(1.0, 0.3), 0.0499, "worse"),
        (difference(0.5, 1.0), 0.05, "no clear difference"),
        (difference(0.0, 1.0), 1.0, "no clear difference"),
    ],
)
def test_verdict(delta, p, said):
    assert str(verdict(delta, p, wanted=2)) == said
    assert str(verdict(delta, p, wanted=2, unchanged=True)) == "changes nothing"


def test_a_study_of_one_seed_has_too_few_and_is_not_waited_for():
    found = verdict(paired([1.0], [2.0]), math.nan, wanted=1)
    assert (str(found), found.so_far) == ("too few seeds: needs at least 2", False)
    failed = verdict(paired([1.0], [2.0]), math.nan, wanted=5, failed=4)
    assert (str(failed), failed.so_far) == ("too few seeds (1 of 5 seeds; 4 failed)", False)


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
    assert str(verdict(difference(-1.0, 0.3), 0.01, wanted=5)) == "better so far (4 of 5 seeds)"
    assert str(verdict(difference(1.0, 0.3), 0.01, wanted=5)) == "worse so far (4 of 5 seeds)"


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
    found = verdict(difference(1.0, 0.3), 0.01, wanted=wanted, failed=failed)
    assert str(found) == said
    assert (found.kind, found.settled, found.so_far) == ("worse", wanted == 4, "so far" in said)


@pytest.mark.parametrize(
    ("p_tost", "said"),
    [(0.049, "equivalent within ±0.3"), (0.05, "no clear difference"), (math.nan, "no clear difference")],
)
def test_equivalence_has_the_level_of_a_difference(p_tost, said):
    told = verdict(difference(0.5, 1.0), 0.5, wanted=4, p_tost=p_tost, margin=0.3)
    assert str(told).startswith(said)
    assert told.within == (0.3 if p_tost < 0.05 else None)


def test_where_higher_is_better_a_rise_is_better():
    rise, fall = difference(1.0, 0.3), difference(-1.0, 0.3)
    assert str(verdict(rise, 0.01, wanted=4, higher_is_better=True)) == "better"
    assert str(verdict(fall, 0.01, wanted=4, higher_is_better=True)) == "worse"
