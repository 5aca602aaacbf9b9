"""What open rows need, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.planning.needs import hours_a_run, needs, total_hours
from analysis.statistics.power import seeds_for_equivalence, seeds_needed
from analysis.table.build import tabulate
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, golden_table

HOUR = 10 / 3600  # each made-up run takes ten seconds on one rank


@pytest.fixture
def made(tmp_path):
    golden_table(tmp_path)
    study = replace(STUDY, margin=1.0)
    records = gather(study, tmp_path)
    return tabulate(records, study), records


def test_open_rows_and_what_would_close_them(made):
    table, records = made
    found = {need.row: need for need in needs(table, records)}
    assert list(found) == ["BAM product", "BAM max"], "better, unchanged and single-seed rows are left out"
    product, most = table.rows[2].delta, table.rows[3].delta
    differ = seeds_needed(1.0, product.sd, comparisons=5) - 4
    equal = seeds_for_equivalence(1.0, 0.0, product.sd, level=0.01) - 4
    need = found["BAM product"]
    assert (need.to_differ, need.to_equal, need.as_seen) == (differ, equal, 17)
    assert need.seeds == max(differ, equal) == 3
    assert need.hours == pytest.approx(3 * HOUR)
    assert found["BAM max"].as_seen is None, "0.08 points with a spread of 1.4 are out of reach"
    assert found["BAM max"].to_differ == seeds_needed(1.0, most.sd, comparisons=5) - 3


def test_what_is_planned_does_not_depend_on_the_difference_seen(made):
    table, records = made
    row = table.rows[2]

    def need(mean, margin):
        study = replace(row, delta=replace(row.delta, n=4, mean=mean, sd=0.3))
        (found,) = needs(replace(table, rows=(table.rows[0], study), comparisons=4, margin=margin), records)
        return found

    # sd 0.3 and 4 comparisons: 17 pairs resolve 0.27, by scipy's noncentral t; 0.3 takes 15
    assert (need(0.27, None).as_seen, need(0.27, None).seeds, need(0.27, None).hours) == (13, None, None)
    one, other = need(0.27, 0.3), need(0.01, 0.3)
    assert (one.to_differ, one.to_equal, one.hours) == (other.to_differ, other.to_equal, other.hours)
    assert (one.to_differ, one.to_equal) == (
        seeds_needed(0.3, 0.3, comparisons=4) - 4,
        seeds_for_equivalence(0.3, 0.0, 0.3, level=0.0125) - 4,
    )
    assert other.as_seen is None
    assert (need(0.27, 9.0).to_differ, need(0.27, 9.0).seeds) == (0, 0), "more than enough"


def test_what_a_baseline_takes_has_to_be_known(made):
    table, records = made
    ours = [record for record in records if record.row != "none"]
    assert total_hours(needs(table, records), table, ours) is None
    assert [need.affordable for need in needs(table, ours, 1.0)] == [None, None]
    assert total_hours([], table, records) is None, "nothing is open"


def test_where_failures_could_overturn_what_is_seen_its_spread_plans_nothing(made):
    """+8, +8.1 and +7.9 beside a failed run: `0 more seeds`, as if these were in hand, and yet no clear difference."""
    table, records = made
    row = table.rows[3]
    clear = replace(row, delta=replace(row.delta, mean=8.0, sd=0.1))
    doubted = replace(clear, verdict=replace(clear.verdict, overturned="different"))
    assert [need.as_seen for need in needs(replace(table, rows=(table.rows[0], clear)), records)] == [0]
    assert needs(replace(table, rows=(table.rows[0], doubted)), records) == []


def test_without_a_margin_nothing_is_planned(made):
    table, records = made
    found = needs(replace(table, margin=None), records)
    assert [(need.to_differ, need.to_equal, need.seeds, need.hours) for need in found] == [(None,) * 4] * 2


def test_a_budget_goes_to_the_cheapest_rows_first_and_pays_the_baseline_once(made):
    table, records = made
    first, second = sorted(needs(table, records), key=lambda need: need.hours)
    one = first.seeds * 2 * HOUR  # its own seeds and as many of the baseline
    both = one + second.seeds * HOUR + (second.seeds - first.seeds) * HOUR

    def affordable(budget):
        return {need.row: need.affordable for need in needs(table, records, budget)}

    assert affordable(one * 0.99) == {first.row: False, second.row: False}
    assert affordable(one * 1.01) == {first.row: True, second.row: False}
    assert affordable(both * 1.01) == {first.row: True, second.row: True}
    assert total_hours(needs(table, records), table, records) == pytest.approx(both)


def test_each_row_is_paid_with_what_is_left_and_the_baselines_seeds_are_kept(made, tmp_path):
    table, records = made
    for record in records:
        if record.folder.path.exists():
            record.folder.note(world_size=1 if record.row == "BAM" else 10)
    like = table.rows[2]
    rows = [
        replace(like, label=label, delta=replace(like.delta, n=4, sd=sd))
        for label, sd in (("BAM", 2.0), ("BAM product", 1.0), ("BAM max", 1.25))
    ]
    open_rows = replace(table, rows=(table.rows[0], *rows), comparisons=1, margin=1.0)

    def affordable(budget):
        return [need.affordable for need in needs(open_rows, gather(STUDY, tmp_path), budget * HOUR)]

    assert [need.seeds for need in needs(open_rows, records)] == [32, 7, 11]
    # 32 seeds of it and 320 for the baseline's, whose seeds serve the other two: 7 and 11 of ten ranks
    assert affordable(352 + 70 + 110 + 0.5) == [True, True, True]
    assert affordable(352 + 70 + 110 - 0.5) == [True, True, False]


def test_hours_count_every_rank(made):
    _, records = made
    assert hours_a_run(records)["none"] == pytest.approx(HOUR)
    records[0].folder.note(world_size=3)
    again = gather(STUDY, records[0].folder.path.parent)
    assert hours_a_run(again)["none"] == pytest.approx(HOUR * (3 + 1 + 1 + 1) / 4)
