"""What open rows need, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.formats.legend import legend
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
    assert list(found) == ["BAM product", "BAM max"], "resolved, unchanged and single-seed rows are left out"
    product = table.rows[2].delta
    differ = seeds_needed(product.mean, product.sd, comparisons=5) - 4
    equal = seeds_for_equivalence(1.0, product.mean, product.sd, level=0.01) - 4
    assert (found["BAM product"].to_differ, found["BAM product"].to_equal) == (differ, equal)
    assert found["BAM product"].seeds == min(differ, equal)
    assert found["BAM product"].hours == pytest.approx(min(differ, equal) * HOUR)
    assert found["BAM max"].to_differ is None, "0.08 points with a spread of 1.4 are out of reach"


@pytest.mark.parametrize(
    ("margin", "product", "most"),
    [
        (None, "17 more seeds", None),
        (0.4, "17 more seeds to differ", "192 more seeds to be equivalent"),
        (1.0, "7 more seeds to be equivalent", "26 more seeds to be equivalent"),
    ],
)
def test_the_table_names_the_fewer_seeds_and_says_what_they_would_show(made, margin, product, most):
    _, records = made
    table = tabulate(records, replace(STUDY, margin=margin))
    said = {row.label: str(row.verdict) for row in table.rows}
    assert said["BAM product"] == f"not resolved: needs about {product}"
    assert said["BAM max"] == (
        "not resolved: needs >1000 seeds" if most is None else f"not resolved: needs about {most}"
    )
    for need in needs(table, records):
        assert said[need.row].startswith(
            f"not resolved: needs about {need.seeds} more" if need.seeds else "not resolved"
        )
    fewer = "the seeds it still needs, to differ or to be equivalent, whichever takes fewer, are for 80 % power"
    assert any(fewer in line for line in legend(table)) == (margin is not None)


def test_both_numbers_hold_for_the_difference_seen(made):
    table, records = made
    row = table.rows[2]
    study = replace(row, delta=replace(row.delta, n=4, mean=0.27, sd=0.3))
    (need,) = needs(replace(table, rows=(table.rows[0], study), comparisons=4, margin=0.3), records)
    assert (need.to_differ, need.to_equal, need.seeds) == (17 - 4, 954 - 4, 13)
    assert need.hours == pytest.approx(13 * HOUR)
    (need,) = needs(replace(table, rows=(table.rows[0], study), comparisons=4, margin=0.27), records)
    assert (need.to_differ, need.to_equal) == (13, None), "no number of seeds shows it within what it is not within"


def test_what_a_baseline_takes_has_to_be_known(made):
    table, records = made
    ours = [record for record in records if record.row != "none"]
    assert total_hours(needs(table, records), table, ours) is None
    assert [need.affordable for need in needs(table, ours, 1.0)] == [None, None]
    assert total_hours([], table, records) is None, "nothing is open"


def test_without_a_margin_nothing_can_be_called_none(made):
    table, records = made
    found = needs(replace(table, margin=None), records)
    assert [need.to_equal for need in found] == [None, None]
    assert found[1].seeds is found[1].hours is None


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
        replace(like, label=label, delta=replace(like.delta, n=4, mean=mean, sd=1.0))
        for label, mean in (("BAM", 0.5), ("BAM product", 1.0), ("BAM max", 0.8))
    ]
    open_rows = replace(table, rows=(table.rows[0], *rows), comparisons=1, margin=None)

    def affordable(budget):
        return [need.affordable for need in needs(open_rows, gather(STUDY, tmp_path), budget * HOUR)]

    assert [need.seeds for need in needs(open_rows, records)] == [30, 6, 11]
    # 30 seeds of it and 300 for the baseline's, whose seeds serve the other two: 6 and 11 of ten ranks
    assert affordable(330 + 60 + 110 + 0.5) == [True, True, True]
    assert affordable(330 + 60 + 110 - 0.5) == [True, True, False]


def test_hours_count_every_rank(made):
    _, records = made
    assert hours_a_run(records)["none"] == pytest.approx(HOUR)
    records[0].folder.note(world_size=3)
    again = gather(STUDY, records[0].folder.path.parent)
    assert hours_a_run(again)["none"] == pytest.approx(HOUR * (3 + 1 + 1 + 1) / 4)
