"""What could have been resolved, what is open, and what it costs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.planning.needs import hours_a_run, needs, total_hours
from analysis.report import power
from analysis.report.provenance import hours_text
from analysis.report.verdict import sentences
from analysis.statistics.power import equivalence_power, paired_power
from analysis.table.build import tabulate
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.report.made import asked, fill
from tests.analysis.synthetic import STUDY, golden_table

NONE = [20.0, 21.0, 22.0]
OPEN = {"none": NONE, "r1": [21.0, 20.0, 22.5], "r2": [18.0, 19.02, 19.98], "r3": [20.5, 21.2, 22.9]}


@pytest.fixture
def found(tmp_path):
    study = replace(asked(3), margin=0.5)
    fill(tmp_path, study, OPEN)
    records = gather(study, tmp_path)
    table = tabulate(records, study)
    return table, records, power.powers(table, records)


def test_the_least_difference_has_the_power_it_promises(found):
    _, _, comparisons = found
    assert [one.row.label for one in comparisons] == ["r1", "r2", "r3"]
    for one in comparisons:
        assert paired_power(one.least / one.row.delta.sd, 3, 0.05 / 3) == pytest.approx(0.8, abs=1e-6)


def test_seeds_to_add_reach_the_power_and_one_less_does_not(found):
    table, _, comparisons = found
    assert [one.state for one in comparisons] == ["open", "resolved", "open"]
    assert comparisons[1].need is None
    for one, row in zip(comparisons[::2], table.rows[1::2], strict=True):
        for seeds, effect in ((one.need.to_differ, 0.5), (one.need.as_seen, abs(row.delta.mean))):
            assert paired_power(effect / row.delta.sd, one.need.n + seeds, 0.05 / 3) >= 0.8
            assert paired_power(effect / row.delta.sd, one.need.n + seeds - 1, 0.05 / 3) < 0.8
        within = [equivalence_power(0.5 / row.delta.sd, one.need.n + one.need.to_equal - k, 0.05 / 3) for k in (0, 1)]
        assert within[0] >= 0.8 > within[1]
        assert one.need.seeds == max(one.need.to_differ, one.need.to_equal)


def test_a_baseline_is_paid_once_a_seed_however_many_rows_are_paired_with_it(found):
    table, records, comparisons = found
    hours = hours_a_run(records)
    run = 10.0 * 2 / 3600  # ten seconds on two ranks
    assert hours == pytest.approx(dict.fromkeys(("none", "r1", "r2", "r3"), run))
    more = [one.need.seeds for one in comparisons if one.need]
    assert total_hours(needs(table, records), table, records) == pytest.approx((sum(more) + max(more)) * run)
    assert [one.need.hours for one in comparisons if one.need] == pytest.approx([seeds * run for seeds in more])


def test_under_a_stopping_rule_the_limit_of_the_last_look_counts(tmp_path):
    study = asked(3).stopping_by(Stopping(looks=(3, 5)))
    fill(tmp_path, study, {row: [*figures, None, None] for row, figures in OPEN.items()})
    records = gather(study, tmp_path)
    limits = {row.label: row.interim.limit for row in tabulate(records, study).rows if row.interim}
    for one in power.powers(tabulate(records, study), records):
        assert limits[one.row.label] < 0.05 / 3
        assert paired_power(one.least / one.row.delta.sd, 3, limits[one.row.label]) == pytest.approx(0.8, abs=1e-6)


def test_without_a_margin_nothing_is_planned(tmp_path):
    study = asked(3)
    fill(tmp_path, study, OPEN)
    records = gather(study, tmp_path)
    table = tabulate(records, study)
    comparisons, needed = power.powers(table, records), needs(table, records)
    assert [one.need for one in comparisons if one.state == "open"] == needed
    assert [one.seeds for one in needed] == [None, None]
    assert power.lead(table, comparisons, total_hours(needed, table, records))[1] == (
        "Open: 2 of 3. Name a margin, the difference that matters, to see how many seeds to plan for."
    )


def test_the_lead_says_what_was_within_reach_and_what_is_open(found):
    table, records, comparisons = found
    least = sorted(one.least for one in comparisons)
    hours = total_hours(needs(table, records), table, records)
    assert power.lead(table, comparisons, hours) == [
        f"With the spread seen, the seeds so far resolve with 80 % power a true difference of {least[1]:.2f} points of "
        f"top-1 error (median over the rows; {least[0]:.2f} to {least[2]:.2f}): paired t-test at 5 %, shared by 3 "
        "comparisons. A smaller one may well be there and go unseen: no clear difference does not mean none.",
        "Open: 2 of 3. The table has for each the seeds to add until a true difference of ±0.5 points would be seen, "
        "and one of 0 found equivalent within ±0.5 points, with 80 % power; about "
        f"{hours_text(hours)} device-hours in all, baselines included.",
        "Seeds added because of a look at these figures make p too small: confirm with fresh ones.",
    ]


def test_what_is_out_of_reach_and_what_has_no_spread(tmp_path):
    table = replace(golden_table(tmp_path), margin=0.1)
    found = {one.row.label: one for one in power.powers(table, gather(STUDY, tmp_path))}
    assert (found["BAM max"].state, found["BAM max"].need.seeds) == ("open", None)
    assert found["BAM product"].need.seeds == 341
    assert found["BAM r=1"].state == "changes nothing"
    assert math.isnan(found["BAM r=1"].least)
    assert math.isnan(found["SE_r8 <light>"].least)
    cells = {column.heading: column.cells for column in power.columns(list(found.values()), 0.1)}
    assert cells["seeds to add"] == ["", "341", ">997", "", ""]
    assert cells["could resolve"][3:] == ["—", "—"]


def test_nothing_is_told_that_an_error_cannot_differ_by(tmp_path):
    study = asked(2, seeds=2)
    fill(tmp_path, study, {"none": [20.0, 21.0], "r1": [21.0, 40.0], "r2": [20.5, 21.7]})
    table = tabulate(gather(study, tmp_path), study)
    found = power.powers(table, [])
    cells = {column.heading: column.cells for column in power.columns(found, None)}
    assert table.rows[1].delta.low < -100 < 100 < table.rows[1].delta.high, (
        "the figures of the table are the t interval"
    )
    assert cells["could resolve"] == [">100", f"{found[1].least:.2f}"]
    assert f"(median over the rows; {found[1].least:.2f} to >100): paired t-test" in power.lead(table, found, None)[0]
    assert "a true difference of >100 points of top-1 error: paired t-test" in power.lead(table, found[:1], None)[0]
    assert "the data allow −100.00 to +100.00 points (" in sentences(table)[0]


def test_one_seed_tells_nothing(tmp_path):
    study = asked(1, seeds=1)
    fill(tmp_path, study, {"none": [20.0], "r1": [21.0]})
    records = gather(study, tmp_path)
    table = tabulate(records, study)
    assert power.lead(table, power.powers(table, records), None) == [
        "No row has a spread over two or more seeds paired with its baseline: what could be resolved is unknown."
    ]
