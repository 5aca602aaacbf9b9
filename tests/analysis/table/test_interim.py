"""Where rows stand by a stopping rule, worked by hand and over simulated studies."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from analysis.formats.legend import full_legend
from analysis.statistics.paired import paired
from analysis.statistics.sequential import limits
from analysis.table.build import tabulate
from analysis.table.interim import interim, seeds_wanted
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, write

RULE = Stopping(looks=(2, 4, 6))


def figures(values):
    return dict(enumerate(values))


ZERO = figures([0.0] * 6)


def test_before_the_first_look_nothing_is_said():
    found = interim(figures([1.0]), ZERO, range(6), RULE, 1)
    assert (found.outcome, found.look, found.wanted, found.delta) == ("open", 0, 2, None)


def test_a_row_goes_on_from_look_to_look_and_stops_where_it_meets_a_limit():
    """t of 1.0, 1.1, 0.9, 1.0 is 1 / (0.0816 / 2) = 24.5, p = 0.00015 with 3 degrees of freedom."""
    rule_limits = limits((2, 4, 6))
    at_two = interim(figures([1.0, 1.1]), ZERO, range(6), RULE, 1)
    assert (at_two.outcome, at_two.look, at_two.wanted) == ("open", 1, 4)
    assert at_two.delta.p > rule_limits[0] == at_two.limit
    waiting = interim(figures([1.0, 1.1, 0.9]), ZERO, range(6), RULE, 1)
    assert waiting == at_two, "three seeds are no look"
    at_four = interim(figures([1.0, 1.1, 0.9, 1.0]), ZERO, range(6), RULE, 1)
    assert (at_four.outcome, at_four.look, at_four.wanted) == ("different", 2, 4)
    assert at_four.delta.p == pytest.approx(0.000149, abs=2e-6)
    assert at_four.delta == paired([1.0, 1.1, 0.9, 1.0], [0] * 4, outside=rule_limits[1])
    later = interim(figures([1.0, 1.1, 0.9, 1.0, -9.0, 9.0]), ZERO, range(6), RULE, 1)
    assert later == at_four, "seeds after it has stopped are not looked at"


def test_a_seed_that_the_baseline_lacks_is_waited_for():
    found = interim(figures([1.0, 1.1, 0.9, 1.0]), {0: 0.0, 1: 0.0, 2: 0.0}, range(6), RULE, 1)
    assert (found.look, found.wanted) == (1, 4)


def test_a_row_within_the_margin_is_equivalent_and_one_that_stays_open_is_exhausted():
    near = figures([0.01, -0.01, 0.012, -0.011, 0.009, -0.01])
    found = interim(near, ZERO, range(6), RULE, 1, margin=0.3)
    assert (found.outcome, found.wanted) == ("equivalent", 4)
    assert found.tost <= found.tost_limit
    assert interim(near, ZERO, range(6), RULE, 1).outcome == "exhausted", "without a margin it can only differ"
    wide = figures([3.0, -3.0, 2.0, -2.0, 1.0, -1.0])
    assert interim(wide, ZERO, range(6), RULE, 1, margin=0.3).outcome == "exhausted"


@pytest.mark.parametrize(("comparisons", "level"), [(1, 0.1), (5, 0.02)])
def test_the_limit_of_equivalence_is_half_the_two_sided_one_of_twice_the_level(comparisons, level):
    wide = [figures([3.0, -3.0, 2.0, -2.0, 1.0, -1.0][:n]) for n in RULE.looks]
    told = [interim(seen, ZERO, range(6), RULE, comparisons, margin=0.3).tost_limit for seen in wide]
    assert told == [limit / 2 for limit in limits((2, 4, 6), level)]


def test_equal_differences_are_no_evidence():
    assert interim(figures([1.0] * 6), ZERO, range(6), RULE, 1, margin=2.0).outcome == "exhausted"


def test_more_rows_make_the_limits_stricter():
    one, five = (interim(figures([1.0, 1.1]), ZERO, range(6), RULE, n).limit for n in (1, 5))
    assert five < one


def test_a_baseline_gets_as_many_seeds_as_its_hungriest_row(tmp_path):
    rule = Stopping(looks=(2, 4))
    study = STUDY.stopping_by(rule)
    errors = {
        "none": [22.0, 21.0, 23.0, 22.5],
        "BAM": [12.0, 11.0000001, None, None],  # -10 twice: met at the first look
        "BAM product": [21.5, 21.3, None, None],
        "BAM max": [None, None, None, None],
        "SE_r8 <light>": [23.0, 21.9, 23.5, 22.9],
        "BAM r=1": [22.0, 21.0, None, None],
    }
    write(tmp_path, study, errors)
    table = tabulate(gather(study, tmp_path), study)
    rows = {row.label: row for row in table.rows}
    assert {label: (row.n, row.wanted) for label, row in rows.items()} == {
        "none": (4, 4),
        "BAM": (2, 2),
        "BAM product": (2, 4),
        "BAM max": (0, 2),
        "SE_r8 <light>": (4, 4),
        "BAM r=1": (2, 4),
    }
    assert {label: str(row.verdict) for label, row in rows.items()} == {
        "none": "baseline",
        "BAM": "better",
        "BAM product": "open: next look at 4 seeds",
        "BAM max": "not run",
        "SE_r8 <light>": "no clear difference by 4 seeds, the last look",
        "BAM r=1": "changes nothing",
    }
    assert rows["BAM"].states == {}
    assert rows["BAM product"].states == {"missing": 2}
    assert table.notes[0] == "n = 2 to 4 (seeds 0 to 3) wanted by row; 14 of 20 runs are complete, 6 missing."
    assert not table.complete
    caution = (
        "The Δ of a row that is better or worse is too far from 0 on average, the more so the earlier it stopped: "
        "quote its interval, which holds whenever a row stops, rather than its Δ."
    )
    assert full_legend(table)[4] == caution
    assert caution not in full_legend(replace(table, stopping=None)), "where the number of seeds is fixed"


def test_without_a_rule_every_seed_is_wanted():
    assert seeds_wanted({}, dict.fromkeys(STUDY.rows, "none"), STUDY) == dict.fromkeys(STUDY.rows, (0, 1, 2, 3))


@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_looking_again_and_again_calls_a_difference_that_is_none_at_most_once_in_twenty(spread):
    """2,000 studies of two rows and a baseline without any difference; their family-wise error is at most 5 %."""
    generator = np.random.default_rng(3)
    rule, wrong, studies = Stopping(looks=(3, 5, 8)), 0, 2000
    for _ in range(studies):
        base, *rows = generator.normal(20, spread, (3, 8))
        said = [interim(figures(row), figures(base), range(8), rule, 2).outcome for row in rows]
        wrong += "different" in said
    assert wrong / studies <= 0.05 + 2 * (0.05 * 0.95 / studies) ** 0.5
    assert wrong > 0


def test_equivalence_at_the_margin_is_claimed_wrongly_at_most_once_in_twenty():
    generator = np.random.default_rng(4)
    rule, wrong, studies = Stopping(looks=(3, 5, 8)), 0, 2000
    for _ in range(studies):
        base, row = generator.normal(20, 0.2, (2, 8))
        wrong += interim(figures(row + 0.3), figures(base), range(8), rule, 1, margin=0.3).outcome == "equivalent"
    assert wrong / studies <= 0.05 + 2 * (0.05 * 0.95 / studies) ** 0.5
    assert wrong / studies >= 0.03, "nor is the limit much stricter than its level"


def test_a_rule_reads_back():
    rule = Stopping(looks=(3, 5), spending="pocock", level=0.1)
    assert Stopping.from_dict(asdict(rule)) == rule
    assert replace(rule, level=0.05) != rule
