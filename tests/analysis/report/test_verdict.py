"""The verdict in sentences, word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.report.power import lead, powers
from analysis.report.verdict import named, sentences
from analysis.table.build import tabulate
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.report.made import asked, detecting, fill, panelled, table
from tests.analysis.synthetic import golden_table, interrupt

NONE = [20.0, 21.0, 22.0]


def moved(*differences):
    """Return figures that differ by so much from `NONE`, seed by seed."""
    return [figure + difference for figure, difference in zip(NONE, differences, strict=True)]


def test_a_study_with_everything_in_it(tmp_path):
    assert sentences(golden_table(tmp_path)) == [
        "Incomplete: 20 of 24 runs are complete (1 failed, 1 interrupted, 2 missing), and what follows holds for these "
        "alone.",
        "5 comparisons of top-1 error with 'none': 1 resolved at 5 % (adjusted for 5, n = 1 to 4 paired seeds). 'BAM' "
        "is better than 'none' by 2.03 points (simultaneous 95 % interval 1.75 to 2.30, p < 0.001). No clear "
        "difference: 'BAM product' and 'BAM max'; the data allow −7.97 to +7.81 points (simultaneous 95 % interval; "
        "below 0 is better). Fewer than 2 seeds paired with 'none', too few for an interval: 'SE_r8 <light>'. No "
        "change, the runs computed what 'none' did: 'BAM r=1'.",
    ]


def test_nothing_resolved(tmp_path):
    figures = {"none": NONE, "r1": moved(1, -1, 0.5), "r2": moved(2, -1, -2), "r3": moved(-0.1, 0.1, 0.3)}
    assert sentences(table(tmp_path, asked(3), figures)) == [
        "3 comparisons of top-1 error with 'none': none resolved at 5 % (adjusted for 3, n = 3 paired seeds). No "
        "clear difference: 'r1', 'r2' and 'r3'; the data allow −9.53 to +8.86 points (simultaneous 95 % interval; "
        "below 0 is better)."
    ]


def test_all_resolved_either_way(tmp_path):
    figures = {"none": NONE, "r1": moved(-2, -2.02, -1.98), "r2": moved(3, 3.02, 2.98)}
    assert sentences(table(tmp_path, asked(2), figures)) == [
        "2 comparisons of top-1 error with 'none': 2 resolved at 5 % (adjusted for 2, n = 3 paired seeds). 'r1' is "
        "better than 'none' by 2.00 points (simultaneous 95 % interval 1.93 to 2.07, p < 0.001). 'r2' is worse than "
        "'none' by 3.00 points (simultaneous 95 % interval 2.93 to 3.07, p < 0.001)."
    ]


@pytest.mark.parametrize(
    ("differences", "told"),
    [
        (
            (1, -1, 0.5),
            "none resolved at 5 % (not adjusted, n = 3 paired seeds). No clear difference: 'r1'; the data allow "
            "−2.42 to +2.75 points (95 % interval; below 0 is better).",
        ),
        (
            (-2, -2.02, -1.98),
            "1 resolved at 5 % (not adjusted, n = 3 paired seeds). 'r1' is better than 'none' by 2.00 points (95 % "
            "interval 1.95 to 2.05, p < 0.001).",
        ),
        (
            (1, 1, 1),
            "none resolved at 5 % (not adjusted, n = 3 paired seeds). The same difference at every seed, no spread to "
            "judge by: 'r1'.",
        ),
    ],
)
def test_a_single_comparison(tmp_path, differences, told):
    (sentence,) = sentences(table(tmp_path, asked(1), {"none": NONE, "r1": moved(*differences)}))
    assert sentence == f"1 comparison of top-1 error with 'none': {told}"


def test_what_is_better_so_far_says_so(tmp_path):
    figures = {"none": [*NONE, 20.0], "r1": [*moved(-2, -2.02, -1.98), None]}
    assert sentences(table(tmp_path, asked(1, seeds=4), figures)) == [
        "Incomplete: 7 of 8 runs are complete (1 missing), and what follows holds for these alone.",
        "1 comparison of top-1 error with 'none': 1 resolved at 5 % (not adjusted, n = 3 paired seeds). 'r1' is better "
        "than 'none' so far (3 of 4 seeds) by 2.00 points (95 % interval 1.95 to 2.05, p < 0.001).",
    ]


@pytest.mark.parametrize(("margin", "differences"), [(None, (-2, -2.02, -1.98)), (5.0, (1, -1, 0.5))])
def test_a_claim_that_a_failed_seed_could_overturn_is_none(tmp_path, margin, differences):
    study = replace(asked(1, seeds=4), margin=margin)
    fill(tmp_path, study, {"none": [*NONE, 20.0], "r1": [*moved(*differences), None]})
    interrupt(tmp_path, replace(study.rows["r1"], seed=3), "failed")
    first, second = sentences(tabulate(gather(study, tmp_path), study))
    assert first.startswith("Incomplete: 7 of 8 runs are complete (1 failed)")
    assert "paired seeds). No clear difference: 'r1'; the data allow " in second
    assert second.endswith(". Failures alone could overturn what the seeds that trained show: 'r1'.")


def test_rows_that_are_not_shown_widen_the_intervals_that_are(tmp_path):
    figures = {"none": NONE, "r1": moved(1, 1.5, 1.2), "r2": moved(2, -1, -2), "r3": moved(1, -1, 0)}
    told = sentences(table(tmp_path, asked(30).only({"row": ["r1", "r2", "r3"]}), figures))
    assert told == [
        "3 comparisons of top-1 error with 'none': none resolved at 5 % (adjusted for 30, n = 3 paired seeds). No "
        "clear difference: 'r1', 'r2' and 'r3'; the data allow −29.74 to +29.07 points (simultaneous 95 % interval; "
        "below 0 is better)."
    ]


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"none": [None] * 3, "r1": [None] * 3}, ["No run is complete (6 missing): nothing can be said yet."]),
        (
            {"none": [None] * 3, "r1": NONE},
            [
                "Incomplete: 3 of 6 runs are complete (3 missing), and what follows holds for these alone.",
                "The baseline 'none' has no complete run, so nothing can be held against it.",
            ],
        ),
        (
            {"none": NONE, "r1": [None] * 3},
            [
                "Incomplete: 3 of 6 runs are complete (3 missing), and what follows holds for these alone.",
                "1 comparison of top-1 error with 'none': none resolved at 5 % (not adjusted). Fewer than 2 seeds "
                "paired with 'none', too few for an interval: 'r1'.",
            ],
        ),
    ],
)
def test_what_cannot_be_said(tmp_path, figures, told):
    assert sentences(table(tmp_path, asked(1), figures)) == told


def test_panels_get_a_sentence_each_after_the_count_of_all(tmp_path):
    figures = {}
    for width, shift in ((8, 0.0), (16, 1.0), (24, -2.0)):
        figures[f"width {width}"] = NONE
        figures[f"width {width} + BAM r=1"] = moved(shift, shift + 0.02, shift - 0.02)
    assert sentences(table(tmp_path, panelled(1), figures)) == [
        "3 comparisons of top-1 error in 3 panels: 2 resolved at 5 % (adjusted for 3, n = 3 paired seeds).",
        "1 comparison of top-1 error with 'width 8': none resolved at 5 % (adjusted for 3, n = 3 paired seeds). No "
        "clear difference: 'width 8 + BAM r=1'; the data allow −0.09 to +0.09 points (simultaneous 95 % interval; "
        "below 0 is better).",
        "1 comparison of top-1 error with 'width 16': 1 resolved at 5 % (adjusted for 3, n = 3 paired seeds). 'width "
        "16 + BAM r=1' is worse than 'width 16' by 1.00 points (simultaneous 95 % interval 0.91 to 1.09, p < 0.001).",
        "1 comparison of top-1 error with 'width 24': 1 resolved at 5 % (adjusted for 3, n = 3 paired seeds). 'width "
        "24 + BAM r=1' is better than 'width 24' by 2.00 points (simultaneous 95 % interval 1.91 to 2.09, p < 0.001).",
    ]


@pytest.mark.parametrize(("gain", "word"), [(2.0, "better"), (-2.0, "worse")])
def test_of_map_more_is_better(tmp_path, gain, word):
    figures = {"none": NONE, "BAM": moved(gain, gain + 0.02, gain - 0.02)}
    assert sentences(table(tmp_path, detecting(), figures)) == [
        "1 comparison of mAP@[.5:.95] with 'none': 1 resolved at 5 % (not adjusted, n = 3 paired seeds). 'BAM' is "
        f"{word} than 'none' by 2.00 points (95 % interval 1.95 to 2.05, p < 0.001)."
    ]


def test_the_better_side_of_map_is_above_zero(tmp_path):
    figures = {"none": NONE, "BAM": moved(1, -1, 0.5)}
    assert sentences(table(tmp_path, detecting(), figures))[0].endswith("(95 % interval; above 0 is better).")


def test_rows_are_named(tmp_path):
    rows = table(tmp_path, asked(5), dict.fromkeys(asked(5).rows, NONE)).rows
    assert named(rows[:1]) == "'none'"
    assert named(rows[:4]) == "'none', 'r1', 'r2' and 'r3'"


def test_a_difference_too_small_to_matter_is_told_as_one(tmp_path):
    figures = {
        "none": NONE,
        "r1": moved(0.01, -0.02, 0.02),
        "r2": moved(0.02, 0.01, -0.02),
        "r3": moved(-0.2, -0.202, -0.198),
        "r4": moved(1, -1, 0.5),
    }
    assert sentences(table(tmp_path, replace(asked(4), margin=0.5), figures)) == [
        "4 comparisons of top-1 error with 'none': 1 resolved at 5 % (adjusted for 4, n = 3 paired seeds). 'r3' is "
        "better than 'none' by 0.20 points (simultaneous 95 % interval 0.19 to 0.21, p < 0.001), within the margin of "
        "±0.5 points. No clear difference: 'r4'; the data allow −5.16 to +5.49 points (simultaneous 95 % interval; "
        "below 0 is better). Equivalent to 'none' within ±0.5 points: 'r1' and 'r2'."
    ]


def test_seeds_by_a_rule(tmp_path):
    study = replace(asked(4, seeds=4), stopping=Stopping(looks=(2, 4)))
    none = [*NONE, 23.0]
    near = [figure + difference for figure, difference in zip(none, (1, -1, 0.5, 0.2), strict=True)]
    figures = {
        "none": none,
        "r1": [figure - 5 - 0.0001 * seed for seed, figure in enumerate(none)],
        "r2": near,
        "r3": [*near[:2], None, None],
        "r4": [near[0], None, None, None],
    }
    found = table(tmp_path, study, figures)
    assert [str(row.verdict) for row in found.rows] == [
        "baseline",
        "better",
        "no clear difference by 4 seeds, the last look",
        "open: next look at 4 seeds",
        "open: first look at 2 seeds",
    ]
    first, told, caution = sentences(found)
    assert caution == (
        "The Δ of a row that is better or worse is too far from 0 on average, the more so the earlier it stopped: "
        "quote its interval, which holds whenever a row stops, rather than its Δ."
    )
    assert first == "Incomplete: 13 of 16 runs are complete (3 missing), and what follows holds for these alone."
    assert told.startswith(
        "4 comparisons of top-1 error with 'none': 1 resolved at 5 % (stopping rule over 4, n = 2 to 4 paired seeds). "
        "'r1' is better than 'none' by 5.00 points (repeated 95 % interval 4.86 to 5.14). No clear difference: 'r2' "
        "and 'r3'; the data allow "
    )
    assert told.endswith(
        " points (repeated 95 % interval; below 0 is better). Before the first look of the stopping rule: 'r4'."
    )
    comparisons = powers(found, [])
    assert [(one.state, one.need and one.need.seeds) for one in comparisons] == [
        ("resolved", None),
        ("no clear difference by 4 seeds, the last look", None),
        ("open", 2),
        ("open", 2),
    ]
    assert lead(found, comparisons, None)[1:] == [
        "Open: 2 of 4. The table has for each the seeds to add until the next look of the stopping rule."
    ]


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (None, "The same difference at every seed, no spread to judge by: 'r1' and 'r2'."),
        ("none", "Ended by a failed run after the same difference at every seed: 'r1' and 'r2'."),
    ],
)
def test_equal_differences_at_a_look_allow_nothing(tmp_path, last, told):
    """They were told as `the data allow nan to nan points`, and as from before the first look."""
    study = asked(2, seeds=2).stopping_by(Stopping(looks=(2, 3)))
    none = [20.0, 21.0, None]
    fill(tmp_path, study, {"none": none, "r1": [21.0, 22.0, None], "r2": [22.0, 23.0, None]})
    for row, run in study.runs():
        if row == last and run.seed == 2:
            interrupt(tmp_path, run, "failed")
    assert sentences(tabulate(gather(study, tmp_path), study))[-1].endswith(
        f"(stopping rule over 2, n = 2 paired seeds). {told}"
    )
