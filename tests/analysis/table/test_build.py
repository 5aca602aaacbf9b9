"""The table read from run folders: figures by hand, states, guards."""

import math
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.checks import notes as guards
from analysis.formats import data
from analysis.table.build import tabulate
from analysis.table.comparison import Comparison, compare, conclude
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.stopping import Stopping
from studies.definition.study import Cell, Selection
from studies.records.records import gather, read
from tests.analysis.report.made import asked
from tests.analysis.synthetic import COSTS, ERRORS, STUDY, finish, golden_table, interrupt, write


@pytest.fixture
def table(tmp_path):
    return golden_table(tmp_path)


def by_label(table):
    return {row.label: row for row in table.rows}


def test_figures_by_hand(table):
    row = by_label(table)["BAM product"]  # 21.5, 21.3, 22.1, 21.9; mean 21.7; squares .04 .16 .16 .04
    assert row.errors == dict(enumerate(ERRORS["BAM product"]))
    assert (row.n, row.wanted) == (4, 4)
    assert row.mean == pytest.approx(21.7)
    assert row.sd == pytest.approx(math.sqrt(0.4 / 3))
    assert row.top5 == pytest.approx(21.7 / 4)
    assert row.delta.mean == pytest.approx(-0.425)
    assert row.delta.p == pytest.approx(stats.ttest_rel(ERRORS["BAM product"], ERRORS["none"]).pvalue, abs=1e-12)


def test_equivalence_is_adjusted_for_rows_that_have_not_run(tmp_path):
    # differences 0.2, -0.12, 0.02, -0.02: mean 0.02, sd 0.1337; t = (0.3 - 0.02) / (0.1337 / 2) = 4.19, p = 0.0124
    study = replace(STUDY, margin=0.3)
    figures = {row: {} for row in STUDY.rows} | {
        "none": dict.fromkeys(range(4), 20.0),
        "BAM": {0: 20.2, 1: 19.88, 2: 20.02, 3: 19.98},
    }
    found = compare(figures, dict.fromkeys(STUDY.rows, "none"), study)["BAM"]
    assert found.p_tost == pytest.approx(5 * 0.0124, abs=5e-4)
    assert conclude(found, study, 4, Counter(), unchanged=False).kind == "no clear difference"


def test_rows_stand_in_the_studys_order_and_each_has_its_verdict(table):
    said = {row.label: str(row.verdict) for row in table.rows}
    assert list(said) == list(STUDY.rows)
    assert said["none"] == "baseline"
    assert said["BAM"] == "better"
    assert said["BAM product"] == "no clear difference"
    assert said["BAM max"] == "no clear difference (3 of 4 seeds; 1 failed)"
    assert said["SE_r8 <light>"] == "too few seeds so far (1 of 4 seeds)"
    assert said["BAM r=1"] == "changes nothing"


def test_p_and_interval_count_every_row(table):
    rows = by_label(table)
    assert table.comparisons == 5
    assert rows["BAM"].p_adjusted == rows["BAM"].p_holm == pytest.approx(5 * rows["BAM"].delta.p)
    for row in ("BAM product", "BAM max"):
        alone = stats.ttest_1samp(rows[row].differences, 0)
        assert rows[row].p_adjusted == pytest.approx(min(5 * alone.pvalue, 1))
        bounds = alone.confidence_interval(1 - 0.05 / 5)
        assert (rows[row].delta.low, rows[row].delta.high) == pytest.approx(tuple(bounds))
        assert (rows[row].evidence.t_low, rows[row].evidence.t_high) == pytest.approx(
            tuple(alone.confidence_interval())
        )
    for row in ("BAM r=1", "none"):
        assert math.isnan(rows[row].p_adjusted)
        assert math.isnan(rows[row].p_holm)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=6), st.integers(1, 5))
def test_an_interval_leaves_out_zero_exactly_where_its_verdict_is_clear(differences, comparisons):
    study, seeds = asked(comparisons), range(len(differences))
    figures = {row: {} for row in study.rows} | {
        "none": dict.fromkeys(seeds, 20.0),
        "r1": {seed: 20 + differences[seed] for seed in seeds},
    }
    found = compare(figures, dict.fromkeys(study.rows, "none"), study)["r1"]
    assume(found.delta.sd > 0)
    kind = conclude(found, study, len(differences), Counter(), unchanged=False).kind
    assert kind in ("better", "worse", "no clear difference")
    assert (found.delta.low > 0 or found.delta.high < 0) == (kind != "no clear difference")


def test_runs_that_are_not_complete_stay_visible(table):
    rows = by_label(table)
    assert rows["BAM max"].states == {"failed": 1}
    assert rows["SE_r8 <light>"].states == {"interrupted": 1, "missing": 2}
    assert (rows["SE_r8 <light>"].n, rows["SE_r8 <light>"].delta.n) == (1, 1)
    assert not table.complete
    assert table.failed


def test_the_difference_is_over_shared_seeds_alone(table):
    delta = by_label(table)["BAM max"].delta  # seeds 0, 1, 3: -1, 1.5, -0.75
    assert (delta.n, delta.mean) == (3, pytest.approx(-0.25 / 3))


def test_published_figures(table):
    rows = by_label(table)
    assert [rows[label].compatible for label in ("none", "BAM", "SE_r8 <light>", "BAM max")] == [
        "cannot tell",  # 22.125 ± 3.18 · 0.854 · 1.118 holds 21.49, but is wider than ± 1
        "cannot tell",
        "too few seeds",
        "",
    ]
    assert rows["BAM max"].published is None


def test_costs_come_from_results_and_are_filled_in_where_there_are_none(tmp_path):
    finish(tmp_path, STUDY.rows["none"], 20.0)
    rows = by_label(tabulate(gather(STUDY, tmp_path), STUDY, planned=COSTS))
    assert (rows["none"].params, rows["none"].macs) == (81_000, 12_700_000)
    assert (rows["BAM"].params, rows["BAM"].macs) == COSTS["BAM"]
    assert rows["BAM max"].params is rows["BAM max"].macs is None


def test_notes(table):
    assert table.notes == [
        "[a] commit 91bc002 (not 3f2a91c): 1 of 4 runs of 'BAM product' (seed 3).",
        "n = 4 (seeds 0 to 3) wanted in every row; 20 of 24 runs are complete, 1 failed, 1 interrupted, 2 missing.",
        "Δ of 'BAM max' leaves out seed 2, where it failed: it compares only the seeds that trained.",
        "Row 'BAM r=1' computed exactly what row 'none' did: the change changed nothing.",
    ]
    assert table.made == [
        "Trained with 1 rank(s) a run, torch 2.11.0; commit 3f2a91c where not marked otherwise.",
        TIME.format("0.0556"),
    ]


TIME = (
    "Training took {} device-hours: wall time of all epochs, scoring included, times the devices (of a shared one its "
    "share); without start-up, repeated epochs and unfinished runs."
)


def test_every_entry_that_runs_should_share_is_watched(tmp_path):
    study = replace(STUDY, seeds=1)
    write(tmp_path, study, ERRORS)
    for row, entries in {
        "none": {"version": "0.1.0", "device": "cuda", "cpu": "AVX2", "threads": 1, "data": "ab"},
        "BAM": {"version": "0.2.0", "device": "cpu", "cpu": "AVX512", "threads": 2, "data": "cd"},
        "BAM max": {"torch": "2.12.0", "world_size": 2},
        "BAM r=1": {"torchvision": "0.27.0", "pytorch_lightning": "2.7.0"},
    }.items():
        RunFolder.of(tmp_path, study.rows[row]).note(**entries)
    table = tabulate(gather(study, tmp_path), study)
    unknown = "(most not recorded)"
    assert table.notes[:4] == [
        f"[a] lightning-bam 0.1.0 {unknown}, images ab {unknown}, device cuda {unknown}, "
        f"CPU instructions AVX2 {unknown}, threads a rank 1 {unknown}: the one run of 'none'.",
        f"[b] lightning-bam 0.2.0 {unknown}, images cd {unknown}, device cpu {unknown}, "
        f"CPU instructions AVX512 {unknown}, threads a rank 2 {unknown}: the one run of 'BAM'.",
        "[c] torch 2.12.0 (not 2.11.0), ranks a run 2 (not 1): the one run of 'BAM max'.",
        f"[d] torchvision 0.27.0 {unknown}, Lightning 2.7.0 {unknown}: the one run of 'BAM r=1'.",
    ]
    assert [row.marks for row in table.rows] == [("a",), ("b",), (), ("c",), (), ("d",)]
    assert table.notes[5:] == [
        "Row 'BAM r=1' computed exactly what row 'none' did: the change changed nothing.",
    ]
    assert table.made == [
        "Trained with commit 3f2a91c; 1 rank(s) a run, torch 2.11.0 where not marked otherwise.",
        TIME.format("0.0194"),  # 6 runs of 10 s, one of them on two ranks
    ]


def test_a_commit_with_changes_is_called_so(tmp_path):
    study = replace(STUDY, seeds=1)
    for number, row in enumerate(study.rows.values()):
        finish(tmp_path, row, 20.0 + number, loss=2.0 + number, commit="3f2a91c+")
    made = tabulate(gather(study, tmp_path), study).made
    assert made[0] == "Trained with 1 rank(s) a run, torch 2.11.0, commit 3f2a91c+ with uncommitted changes."


@pytest.mark.parametrize(
    ("device", "synchronised", "said"),
    [
        ("cpu", True, "Any batch norm saw 128 of 128 samples (3), 64 of 128 samples (2), 32 of 128, then 64 of 128"),
        ("NVIDIA H200", False, "Any batch norm saw 128 of 128 samples (3), 64 of 128 samples (2), 32 of 128, then 64"),
        ("NVIDIA H200", True, None),
    ],
)
def test_ranks_that_normalise_alone_are_told_from_synchronised_ones(tmp_path, device, synchronised, said):
    rows = {
        row: replace(run, recipe=replace(run.recipe, sync_batchnorm=synchronised)) for row, run in STUDY.rows.items()
    }
    study = replace(STUDY, rows=rows, seeds=1)
    write(tmp_path, study, ERRORS)
    for worlds, row in zip([(1,), (1,), (1,), (2,), (2,), (4, 2)], study.rows, strict=True):
        attempts = [{"world_size": world, "device": device} for world in worlds]
        RunFolder.of(tmp_path, study.rows[row]).note(**attempts[-1], attempts=attempts)
    notes = tabulate(gather(study, tmp_path), study).notes
    assert "[a] ranks a run 2 (not 1): the one run each of 'BAM max' and 'SE_r8 <light>'." in notes
    assert "[b] ranks a run 4, then 2 (not 1): the one run of 'BAM r=1'." in notes
    found = [note for note in notes if note.startswith("Any batch norm saw")]
    assert [note.startswith(said) for note in found] == ([True] if said else [])
    assert all(note.endswith("of a batch, so these runs were not trained alike.") for note in found)


def test_equal_errors_of_another_training_are_not_called_the_same_computation(tmp_path):
    study = replace(STUDY, seeds=2)
    write(tmp_path, study, ERRORS)
    assert any("computed exactly" in note for note in tabulate(gather(study, tmp_path), study).notes)
    folder = RunFolder.of(tmp_path, replace(study.rows["BAM r=1"], seed=1))
    first, last = folder.metrics()
    folder.keep_epochs(0)
    folder.append_epoch(first | {"train_loss": first["train_loss"] + 1e-12})
    folder.append_epoch(last)
    assert not any("computed exactly" in note for note in tabulate(gather(study, tmp_path), study).notes)


def test_an_unfinished_row_that_changes_nothing_is_called_so(tmp_path):
    study = replace(STUDY, seeds=1)
    write(tmp_path, study, {**ERRORS, "BAM r=1": [None], "BAM max": [None]})
    for row in ("BAM r=1", "BAM max"):
        folder = RunFolder.of(tmp_path, study.rows[row])
        folder.describe(study.rows[row])
        folder.note(state="running")
        first = 2.0 if row == "BAM r=1" else 2.5
        folder.append_epoch({"epoch": 0, "train_loss": first, "error_top1": 60.0})
    table = tabulate(gather(study, tmp_path), study)
    said = (str(by_label(table)["BAM r=1"].verdict), str(by_label(table)["BAM max"].verdict))
    assert said == ("changes nothing", "unfinished")
    assert table.notes[1] == (
        "Row 'BAM r=1' computed exactly what row 'none' did as far as they are trained: the change changed nothing."
    )


def test_a_row_of_which_every_run_failed_is_called_failed_not_not_run(tmp_path):
    study = replace(STUDY, seeds=1)
    write(tmp_path, study, {**ERRORS, "BAM": [None], "BAM max": [None]})
    folder = RunFolder.of(tmp_path, study.rows["BAM max"])
    folder.describe(study.rows["BAM max"])
    folder.note(state="failed")
    rows = by_label(tabulate(gather(study, tmp_path), study))
    assert {row: str(rows[row].verdict) for row in ("BAM", "BAM max")} == {"BAM": "not run", "BAM max": "failed"}


def test_a_copied_folder_is_refused(tmp_path):
    study = replace(STUDY, seeds=2)
    for seed in range(2):
        finish(tmp_path, replace(study.rows["BAM"], seed=seed), 20.0)
    with pytest.raises(
        FolderError, match=r"\('BAM', seed 1\): metrics.jsonl is identical to that of .* \('BAM', seed 0"
    ):
        tabulate(gather(study, tmp_path), study)


def test_a_seed_that_the_baseline_lacks_is_left_out_and_said_so(tmp_path):
    study = replace(STUDY, seeds=3)
    write(tmp_path, study, {**ERRORS, "none": [22.0, 21.0, None]})
    table = tabulate(gather(study, tmp_path), study)
    assert (by_label(table)["BAM"].n, by_label(table)["BAM"].delta.n) == (3, 2)
    assert "Δ of 'BAM' leaves out seed 2, which the baseline lacks." in table.notes


def test_a_seed_at_which_a_row_failed_is_left_out_and_said_so(tmp_path):
    study = replace(STUDY, seeds=4)
    errors = {**ERRORS, "BAM": [30.0, 29.1, 30.9, None], "BAM max": [31.0, 30.1, None, 31.4]}
    write(tmp_path, study, errors)
    cells = {(cell.row, cell.run.seed): cell.run for cell in study.runs()}
    interrupt(tmp_path, cells["BAM", 3], "failed")
    interrupt(tmp_path, cells["BAM max", 2], "failed")
    for row in ("BAM", "BAM max"):
        RunFolder.of(tmp_path, cells[row, 3 if row == "BAM" else 2]).note(cause="nan" if row == "BAM" else "error")
    rows = by_label(tabulate(gather(study, tmp_path), study))
    said = "Δ of 'BAM' leaves out seed 3, where it failed (loss not a number): it compares only the seeds that trained."
    assert rows["BAM"].p_adjusted < 0.05
    assert str(rows["BAM"].verdict) == (
        "no clear difference (3 of 4 seeds; 1 failed): failures could overturn a difference"
    ), "+8, +8.1, +7.9, and -8.1 for the one that failed; its interval leaves out 0"
    overturned = (
        "is different on the seeds that trained, but failures alone could overturn that: had each failed one come out "
        "as far on the other side of 0 as the largest Δ, p would be too large."
    )
    assert rows["BAM"].notes == (said, f"'BAM' {overturned}")
    assert said in tabulate(gather(study, tmp_path), study).notes
    assert rows["BAM max"].notes == (
        "Δ of 'BAM max' leaves out seed 2, where it failed: it compares only the seeds that trained.",
        f"'BAM max' {overturned}",
    )


def test_a_pair_is_counted_as_failed_once_whichever_of_its_runs_failed():
    figures = {"none": {0: 22.0, 1: 21.0}, "BAM": {0: 20.0, 1: 19.1}}
    failed = {"none": {2: True, 3: False}, "BAM": {2: True, 3: True}}
    found = compare(figures, dict.fromkeys(figures, "none"), STUDY.only({"row": ["BAM"]}), failed)["BAM"]
    assert found.failed == 2
    assert conclude(found, STUDY, 2, Counter(failed=2), unchanged=False).failed == 2


def test_a_verdict_so_far_says_how_often_such_ones_err(tmp_path):
    write(tmp_path, STUDY, {**ERRORS, "BAM": [30.0, 29.1, 30.9, None]})
    table = tabulate(gather(STUDY, tmp_path), STUDY)
    assert str(by_label(table)["BAM"].verdict) == "worse so far (3 of 4 seeds)"
    (note,) = [note for note in table.notes if "so far" in note]
    assert note == (
        "'BAM': so far. Of studies in which no row differs, 13 to 15 % show one that does at some time, if looked at "
        "anew with each seed from 2 to 5 (to 10: 20 %), not 5 %: wait for all seeds."
    )


def test_many_seeds_outweigh_one_that_failed_and_equivalence_is_held_to_the_same(tmp_path):
    rows = {row: STUDY.rows[row] for row in ("none", "BAM", "BAM max")}
    study = replace(STUDY, rows=rows, published={}, scientific=("attention", "attention.combine"), seeds=16, margin=1)
    base = [20.0 + seed / 8 for seed in range(16)]
    errors = {
        "none": base,
        "BAM": [figure - 2 - seed % 3 / 8 for seed, figure in enumerate(base)],
        "BAM max": [figure + seed % 3 / 8 for seed, figure in enumerate(base[:5])] + [None] * 11,
    }
    errors["BAM"][9] = None
    write(tmp_path, study, errors)
    for row, seed in (("BAM", 9), *(("BAM max", seed) for seed in range(5, 16))):
        interrupt(tmp_path, replace(rows[row], seed=seed), "failed")
    found = by_label(tabulate(gather(study, tmp_path), study))
    assert str(found["BAM"].verdict) == "better (15 of 16 seeds; 1 failed)"
    assert found["BAM max"].p_tost < 0.05
    assert not found["BAM max"].verdict.claims
    assert "'BAM max' is equivalent on the seeds that trained, but failures" in found["BAM max"].notes[-1]


def test_a_seed_at_which_the_baseline_failed_is_told_apart_from_one_that_it_lacks(tmp_path):
    study = replace(STUDY, seeds=4)
    write(tmp_path, study, {**ERRORS, "none": [22.0, None, None, 22.5], "BAM max": [21.0, 22.5, None, None]})
    cells = {(cell.row, cell.run.seed): cell.run for cell in study.runs()}
    for row, seed in (("none", 1), ("BAM max", 3)):
        interrupt(tmp_path, cells[row, seed], "failed")
        RunFolder.of(tmp_path, cells[row, seed]).note(cause="memory")
    rows = by_label(tabulate(gather(study, tmp_path), study))
    only = "it compares only the seeds that trained."
    assert rows["BAM"].notes == (
        "Δ of 'BAM' leaves out seed 1, where the baseline failed (out of memory), and seed 2, which the baseline "
        f"lacks: {only}",
    )
    assert rows["BAM max"].notes == (
        "Δ of 'BAM max' leaves out seed 3, where it failed (out of memory), and seed 1, where the baseline failed (out "
        f"of memory): {only}",
    )
    assert rows["none"].notes == ()
    ruled = by_label(tabulate(gather(study, tmp_path), study.stopping_by(Stopping(looks=(2, 4)))))["BAM max"]
    assert (ruled.notes, str(ruled.verdict)) == ((), "ended: 'none' failed at seed 1")


def test_a_complete_table(tmp_path):
    study = replace(STUDY, seeds=1)
    write(tmp_path, study, ERRORS)
    table = tabulate(gather(study, tmp_path), study)
    assert table.complete
    assert not table.failed
    assert table.notes[0] == "n = 1 (seed 0) in every row."
    assert table.fixed["recipe.epochs"] == "200"
    assert "attention" not in table.fixed


def test_an_empty_table(tmp_path):
    table = tabulate(gather(STUDY, tmp_path), STUDY)
    assert all(row.n == 0 and math.isnan(row.mean) and row.delta is None for row in table.rows)
    assert table.notes == ["n = 4 (seeds 0 to 3) wanted in every row; 0 of 24 runs are complete, 24 missing."]


def test_a_wanted_run_without_a_record_counts_as_missing(tmp_path):
    assert by_label(tabulate([], STUDY))["BAM"].states == {"missing": 4}


def test_held_out_errors_are_refused(tmp_path):
    records = read([Cell("BAM", replace(STUDY.rows["BAM"], score_on="held_out"))], tmp_path)
    with pytest.raises(ValueError, match=r"row 'BAM', seed 0: scored on held_out; a table reports test errors only"):
        tabulate(records, STUDY)


def test_records_of_another_study_are_refused(tmp_path):
    records = read([Cell("BAM", replace(STUDY.rows["BAM"], seed=9))], tmp_path)
    with pytest.raises(ValueError, match="row 'BAM', seed 9: no run of study combine"):
        tabulate(records, STUDY)


MEASURED = [
    *("measured_n", "measured_pairs"),
    *(f"images_per_second{part}" for part in ("", "_sd", "_ratio", "_ratio_sd")),
    *(f"latency_ms{part}" for part in ("", "_sd", "_ratio", "_ratio_sd")),
    *(f"memory_mib{part}" for part in ("", "_sd", "_ratio", "_ratio_sd")),
    "device_hours",
]


def test_frame(table):
    frame = data.frame([table]).set_index("row")
    assert set(frame["study"]) == {"combine"}
    assert list(frame.columns) == [
        "study",
        "params",
        "macs",
        "error_top1_mean",
        "error_top1_sd",
        "n",
        "wanted",
        "best",
        "delta",
        "delta_n",
        "delta_sd",
        "delta_low",
        "delta_high",
        "delta_interval",
        "p",
        "p_adjusted",
        "p_holm",
        "p_tost",
        "t_low",
        "t_high",
        "hedges_g",
        "p_sign_flip",
        "bootstrap_low",
        "bootstrap_high",
        "comparisons",
        "margin",
        "verdict",
        "notes",
        "published",
        "compatible",
        "published_delta",
        "compatible_delta",
        "missing",
        "failed",
        "interrupted",
        "running",
        "pruned",
        "marks",
        *MEASURED,
    ]
    assert frame["marks"].tolist() == ["", "", "commit=91bc002 (seed 3)", "", "", ""]
    assert frame.loc["BAM max", ["n", "wanted", "failed", "missing"]].tolist() == [3, 4, 1, 0]
    assert frame.loc["SE_r8 <light>", ["missing", "interrupted"]].tolist() == [2, 1]
    assert frame.loc["BAM", "delta"] == pytest.approx(-2.025)
    assert pd.isna(frame.loc["none", "delta"])
    assert pd.isna(frame.loc["SE_r8 <light>", "delta_low"])
    assert frame["params"].dtype == "Int64"


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([0], "0"),
        ([0, 1], "0, 1"),
        ([0, 1, 2], "0 to 2"),
        ([0, 1, 3], "0, 1, 3"),
        ([1, 2, 3, 4, 7, 9, 10, 11], "1 to 4, 7, 9 to 11"),
    ],
)
def test_seeds_in_words(numbers, said):
    assert guards.ranges(numbers) == said


def test_rows_that_another_studys_rule_has_stopped_are_named_where_they_have_runs(tmp_path):
    write(tmp_path, STUDY, ERRORS)
    rule = {"BAM": "looked", "BAM max": "looked", "SE_r8 <light>": "again", "BAM product": "looked"}
    finished = {row for row, errors in ERRORS.items() if errors}
    study = replace(Selection.of(STUDY), ruled_by=rule)
    notes = tabulate(read(study.runs(), tmp_path), study).notes
    (looked, again) = (note for note in notes if "stopping rule of study" in note)
    named = ", ".join(repr(row) for row in STUDY.rows if rule.get(row) == "looked" and row in finished)
    assert looked == (
        f"{named}: how many seeds they have was decided by what they showed, by the stopping rule of study looked; "
        "intervals and p here are for a number fixed beforehand, its own table's are for the rule."
    )
    assert again.startswith("'SE_r8 <light>': how many seeds")
    empty = tabulate(read(study.runs(), tmp_path / "empty"), study).notes
    assert not any("stopping rule" in note for note in empty), "nothing has run"
    assert not any("stopping rule" in note for note in tabulate(read(STUDY.runs(), tmp_path), STUDY).notes)


@pytest.mark.parametrize(
    ("own", "asked", "said"),
    [
        (2, 4, "Seeds 2, 3 are added to those of the study"),
        (3, 4, "Seed 3 is added to those of the study"),
        (4, 4, None),
        (3, (0, 1, 3), "Seed 2 of the study is left out, and seed 3 is added to those of the study"),
    ],
)
def test_seeds_that_are_added_to_the_studys_own_are_named(tmp_path, own, asked, said):
    write(tmp_path, STUDY, ERRORS)
    study = replace(STUDY, seeds=own).only({"row": ["BAM"]}).with_seeds(asked)
    notes = tabulate(read(study.runs(), tmp_path), study).notes
    told = f"{said}: a number of seeds that is chosen for what it shows makes p too small."
    assert [note for note in notes if "makes p too small" in note] == ([told] if said else [])


def test_seeds_are_named_and_those_left_out_of_the_study_too(tmp_path):
    write(tmp_path, STUDY, ERRORS)
    study = STUDY.only({"row": ["BAM"]}).with_seeds(3)
    notes = tabulate(read(study.runs(), tmp_path), study).notes
    assert notes[0] == "n = 3 (seeds 0 to 2) in every row."
    assert notes[1] == (
        "Seed 3 of the study is left out: a number of seeds that is chosen for what it shows makes p too small."
    )
    assert not any("left out" in note for note in tabulate(read(STUDY.runs(), tmp_path), STUDY).notes)


def test_a_difference_that_failures_cannot_overturn_is_not_doubted_for_being_small():
    """It was called better, and a note said that it `is equivalent on the seeds that trained`."""
    clear = Comparison(delta=None, p_adjusted=0.001, p_failed=0.01, p_tost=0.01, tost_failed=0.2)
    assert clear.overturned == ""
    assert replace(clear, p_failed=0.2).overturned == "different"
    assert replace(clear, p_adjusted=0.2, p_failed=0.5).overturned == "equivalent"
