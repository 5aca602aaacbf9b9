"""What a study's analysis run says, before a server has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.bundle.contents import BundleOptions, check
from analysis.formats.data import frame
from analysis.review import contents
from analysis.review.contents import analysis_of, columns_of, notes
from analysis.table.build import tabulate
from lightning_bam.run_folder.folder import RunFolder
from studies.records.records import gather
from tests.analysis.report.made import asked, fill, table
from tests.analysis.synthetic import interrupt

BASE = [20.0, 21.0, 22.0]
FAR = [30.0, 31.1, 32.2]


def test_the_table_has_all_columns_of_csv_the_conclusion_first_and_the_runs_last(tmp_path):
    study = asked(1)
    made = table(tmp_path, study, {"none": [*BASE[:2], None], "r1": FAR})
    columns, (none, r1) = columns_of(made, gather(study, tmp_path))
    assert columns[:7] == ["row", "n", "error_top1_mean", "error_top1_sd", "delta", "delta_low", "delta_high"]
    assert columns[7:10] == ["verdict", "params", "macs"]
    assert sorted(columns[:-1]) == sorted(frame([made]))
    low, high = made.rows[1].delta.low, made.rows[1].delta.high
    assert none[:7] == ["none", 2, 20.5, pytest.approx(0.5**0.5), None, None, None]
    assert (r1[:2], r1[7]) == (["r1", 3], "worse so far (2 of 3 seeds)")
    assert r1[2:7] == pytest.approx([31.1, 1.1, 10.05, low, high])
    assert columns[-1] == "runs"
    assert none[-1].split() == [replace(study.rows["none"], seed=seed).key for seed in (0, 1)], "the complete ones"
    assert r1[-1].split() == [replace(study.rows["r1"], seed=seed).key for seed in range(3)]


@pytest.mark.parametrize("complete", [True, False], ids=["with a bundle", "without"])
def test_the_page_names_no_folder_of_this_machine(tmp_path, monkeypatch, complete):
    home = tmp_path / "a&b"
    home.mkdir()
    study = asked(1)
    fill(home / "runs", study, {"none": [*BASE] if complete else [None] * 3, "r1": [None] * 3})
    interrupt(home / "runs", study.rows["r1"], "failed")
    RunFolder.of(home / "runs", study.rows["r1"]).note(error=f"no such file: {home}/runs/x.npz")
    monkeypatch.chdir(home)
    monkeypatch.setattr(
        contents, "check", lambda *told, **more: complete or check(*told, **more)
    )  # figures are made up
    records = gather(study, Path("runs"))
    shown = analysis_of(study, records, tabulate(records, study), Path("runs"), BundleOptions(words=["made"]))
    assert (shown.bundle is not None) is complete
    assert "no such file: runs/x.npz" in shown.pages["report"]
    assert "a&amp;b" not in shown.pages["report"]


def test_the_notes_are_the_question_and_the_verdict(tmp_path):
    made = table(tmp_path, asked(2), {"none": BASE, "r1": FAR, "r2": [19.0, 20.5, 21.0]})
    low, high = (f"{abs(end):.2f}" for end in (made.rows[2].delta.low, made.rows[2].delta.high))
    assert notes(made).splitlines() == [
        "**Does it help?**",
        "",
        "- 2 comparisons of top-1 error with 'none': 1 resolved at 5 % (adjusted for 2, n = 3 paired seeds).",
        "- 'r1' is worse than 'none' by 10.10 points (simultaneous 95 % interval 9.74 to 10.46, p \\< 0.001).",
        f"- No clear difference: 'r2'; the data allow −{low} to +{high} points (simultaneous 95 % interval; below 0 is "
        "better).",
    ]


def test_of_many_rows_some_stand_in_the_notes_and_the_others_are_counted(tmp_path):
    study = asked(14)
    lines = notes(table(tmp_path, study, {row: FAR if row != "none" else BASE for row in study.rows})).splitlines()
    assert len(lines) == 2 + 12 + 1
    assert lines[-2].startswith("- 'r11' is worse than 'none' by 10.10 points")
    assert lines[-1] == "- and 3 more, in the report"


def test_a_sentence_of_many_names_is_cut_between_them_and_its_interval(tmp_path):
    study = asked(9)
    study = replace(
        study, rows={row if row == "none" else f"{row} {'x' * 100}": run for row, run in study.rows.items()}
    )
    figures = {row: [19.0, 22.0, 20.0 + number / 10] for number, row in enumerate(study.rows)} | {"none": BASE}
    last = notes(table(tmp_path, study, figures)).splitlines()[-1]
    assert last.startswith("- No clear difference: 'r1 xxx")
    assert " ... " in last
    assert last.endswith(
        "xxx'; the data allow −12.08 to +10.82 points (simultaneous 95 % interval; below 0 is better)."
    )
    assert len(last) < 720


@pytest.mark.parametrize("question", ["<img src=x onerror=alert(1)>", "[a](http://b)", "# `x`\n\n- $y$", "a*b*|c"])
def test_markdown_in_a_question_or_a_name_is_text(tmp_path, question):
    study = asked(1)
    name = "r**x** [y](http://z)"
    study = replace(study, question=question, rows={"none": study.rows["none"], name: study.rows["r1"]})
    fill(tmp_path, study, {"none": BASE, name: FAR})
    first, _, *others = notes(tabulate(gather(study, tmp_path), study)).splitlines()
    assert (
        first
        == {
            "<img": "**\\<img src=x onerror=alert(1)>**",
            "[a](": "**[a\\](http://b)**",
            "# `x": "**# \\`x\\` - \\$y\\$**",
            "a*b*": "**a\\*b\\*\\|c**",
        }[question[:4]]
    )
    assert others[1].startswith(r"- 'r\*\*x\*\* [y\](http://z)' is worse than 'none' by 10.10 points")
