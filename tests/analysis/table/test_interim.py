"""Where rows stand by a stopping rule, worked by hand and over simulated studies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.formats.data import as_csv, as_json
from analysis.formats.legend import full_legend
from analysis.report import power
from analysis.report.verdict import sentences
from analysis.statistics.paired import paired
from analysis.statistics.sequential import limits
from analysis.table.build import tabulate
from analysis.table.interim import due, interim, seeds_wanted
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, interrupt, write

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


def test_a_failed_seed_without_a_spare_one_ends_the_row_at_its_last_look():
    ours, none = figures([1.0, 1.1, 0.9, 1.0]), dict.fromkeys((0, 1, 2, 4, 5), 0.0)
    found = interim(ours, none, range(6), RULE, 1, failed={3: "'none' failed at seed 3"})
    assert (found.outcome, found.look, found.wanted, found.ended) == ("ended", 1, 4, "'none' failed at seed 3")
    assert found.looked == (0, 1)
    assert found.due == (0, 1, 2, 3)
    retried = interim(ours, ZERO, range(6), RULE, 1)
    assert (retried.outcome, retried.ended) == ("different", ""), "it goes on where the run is complete"
    late = interim(ours, ZERO, range(6), RULE, 1, failed={4: "failed at seed 4"})
    assert (late.outcome, late.ended) == ("different", ""), "a row that has stopped needs no more"


def test_a_spare_seed_takes_the_place_of_a_failed_one():
    rule = Stopping(looks=(2, 4, 6), spare=1)
    ours = {0: 1.0, 2: 1.1, 3: 0.9, 4: 1.0}
    found = interim(ours, figures([0.0] * 7), range(7), rule, 1, failed={1: "failed at seed 1"})
    assert (found.look, found.looked, found.passed) == (2, (0, 2, 3, 4), (1,))
    assert found.due == (0, 2, 3, 4, 5, 6)
    few = interim({0: 1.0}, figures([0.0] * 7), range(7), rule, 1, failed={1: "failed at seed 1"})
    assert (few.outcome, few.look, few.due) == ("open", 0, (0, 2)), "the next of the declared order is wanted"
    two = {1: "failed at seed 1", 3: "'none' failed at seed 3"}
    ended = interim(ours, figures([0.0] * 7), range(7), rule, 1, failed=two)
    assert (ended.outcome, ended.ended, ended.look) == ("ended", "'none' failed at seed 3", 1)
    assert (ended.due, ended.passed) == ((0, 2, 3, 4), (1,))


def test_a_replaced_seed_counts_against_a_difference_and_against_equivalence():
    rule = Stopping(looks=(4, 14), spending="pocock", spare=1)
    ours = {seed: (-1.1, -0.9)[seed % 2] for seed in range(15) if seed != 1}
    few = interim({seed: ours[seed] for seed in (0, 2, 3, 4)}, dict.fromkeys(range(15), 0.0), range(15), rule, 1,
                  failed={1: ""})  # fmt: skip
    assert few.delta.p <= few.limit < few.p_failed, "-1.1, -1.1, -0.9, -1.1, and +1.1 for the one that failed"
    assert (few.outcome, few.overturned) == ("open", "different")
    many = interim(ours, dict.fromkeys(range(15), 0.0), range(15), rule, 1, failed={1: ""})
    assert (many.outcome, many.overturned, many.look) == ("different", "", 2)
    near = {seed: figure / 10 + 0.1 for seed, figure in ours.items()}
    few = interim({seed: near[seed] for seed in (0, 2, 3, 4)}, dict.fromkeys(range(15), 0.0), range(15), rule, 1, 0.3,
                  failed={1: ""})  # fmt: skip
    assert few.tost <= few.tost_limit < few.tost_failed
    assert (few.outcome, few.within, few.overturned) == ("open", False, "equivalent")


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
        "BAM max": "open: first look at 2 seeds",
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


ENDED = {
    "none": [22.0, 21.0, 23.0, None],
    "BAM": [12.0, 11.0000001, None, None],  # resolved at the first look
    "BAM product": [21.5, 21.3, 22.1, 21.9],
    "BAM max": [21.5, 21.2, 22.3, 21.7],
    "SE_r8 <light>": [21.4, 21.1, 22.0, None],
    "BAM r=1": [22.0, 21.0, 23.0, None],
}


def broken(tmp_path, *cells, rule=None, errors=ENDED):
    """Return the table of a study in which the runs of these rows and seeds failed."""
    study = STUDY.stopping_by(rule or Stopping(looks=(2, 4)))
    write(tmp_path, replace(study, stopping=None, seeds=4), errors)
    for row, seed in cells:
        interrupt(tmp_path, replace(STUDY.rows[row], seed=seed), "failed")
    return tabulate(due(study, gather(study, tmp_path)), study)


def test_a_baseline_that_failed_ends_every_row_that_is_open(tmp_path):
    table = broken(tmp_path, ("none", 3))
    rows = {row.label: row for row in table.rows}
    assert {label: str(row.verdict) for label, row in rows.items() if label != "none"} == {
        "BAM": "better",
        "BAM product": "ended: 'none' failed at seed 3",
        "BAM max": "ended: 'none' failed at seed 3",
        "SE_r8 <light>": "ended: 'none' failed at seed 3",
        "BAM r=1": "changes nothing",
    }
    product = rows["BAM product"]
    assert product.delta.n == 2, "what its last look says is still shown"
    assert product.delta.low < product.delta.mean < product.delta.high
    assert product.notes == (
        "Δ of 'BAM product' leaves out seed 3, where the baseline failed, and seed 2, which comes after its last look.",
    )
    assert rows["SE_r8 <light>"].notes == ("Δ of 'SE_r8 <light>' leaves out seed 2, which comes after its last look.",)
    assert json.loads(as_json(table))["rows"][2]["interim"]["ended"] == "'none' failed at seed 3"
    assert "ended: 'none' failed at seed 3" in as_csv(table)
    said = " ".join(sentences(table))
    assert "Ended by a failed run before they were resolved: 'BAM product', 'BAM max' and 'SE_r8 <light>'; the" in said
    assert "No clear difference:" not in said
    told = power.powers(table, [])
    assert [one.state for one in told][1:4] == ["ended: 'none' failed at seed 3"] * 3
    assert not any("Open: " in line for line in power.lead(table, told, None))


def test_a_spare_seed_and_what_it_stands_in_for_are_told(tmp_path):
    rule = Stopping(looks=(2, 3), spare=1)
    table = broken(tmp_path, ("BAM product", 1), ("none", 3), rule=rule, errors=ENDED | {
        "none": [22.0, 21.0, 23.0, None], "BAM product": [21.5, None, 22.1, None]})  # fmt: skip
    rows = {row.label: row for row in table.rows}
    assert (str(rows["BAM product"].verdict), rows["BAM product"].delta.n) == ("ended: 'none' failed at seed 3", 2)
    assert rows["BAM product"].notes == (
        "Δ of 'BAM product' leaves out seed 1, where it failed: a spare seed takes the place of seed 1.",
    )
    assert str(rows["BAM max"].verdict) == "no clear difference by 3 seeds, the last look"


TWO = "seed 2, which the baseline lacks, and seed 3, which comes after its last look"


@pytest.mark.parametrize(("seed", "said"), [(0, ()), (2, (f"Δ of 'BAM max' leaves out {TWO}.",))])
def test_a_run_folder_of_the_baseline_that_was_removed_is_missing_and_not_failed(tmp_path, seed, said):
    errors = {row: figures[:] for row, figures in ENDED.items()} | {"none": [22.0, 21.0, 23.0, 22.5]}
    errors["none"][seed] = None
    rows = {row.label: row for row in broken(tmp_path, errors=errors).rows}
    assert rows["BAM max"].notes == said
    assert str(rows["BAM max"].verdict).startswith("open: ")


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
    assert Stopping.from_dict(rule.to_dict()) == rule
    assert replace(rule, level=0.05) != rule
    spare = replace(rule, spare=2)
    assert Stopping.from_dict(spare.to_dict()) == spare
    assert "spare" not in rule.to_dict(), "older versions read a rule without spare seeds"


def test_a_published_difference_is_held_against_the_pairs_of_the_last_look(tmp_path):
    """-0.1, 0.1, -0.1, 0.1 refuse -2; with -7 at the fifth seed, which waits for the next look, it could be ours."""
    drawn = STUDY.only({"row": ["BAM"]}).with_seeds(5)
    write(tmp_path, drawn, {"none": [22.0, 22.1, 21.9, 22.0, 22.0], "BAM": [21.9, 22.2, 21.8, 22.1, 15.0]})
    study = replace(drawn, published={"none": 22.0, "BAM": 20.0}).stopping_by(Stopping(looks=(4, 6)))
    row = tabulate(gather(study, tmp_path), study).rows[1]
    assert (row.interim.looked, row.n) == ((0, 1, 2, 3), 5)
    assert row.compatible_delta == "not compatible"
