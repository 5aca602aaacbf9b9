"""Choices that are made after a look at the results: a margin, rows that are dropped, a second attempt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli import main
from analysis.statistics.paired import paired
from analysis.statistics.power import least_resolvable
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.stopping import Stopping
from studies.records.counts import Counts
from studies.stopping_rules.declaration import declare
from tests.analysis.synthetic import STUDY as SHARED
from tests.analysis.synthetic import finish

ERRORS = {
    "none": [22.0, 21.0, 23.0, 22.5],
    "BAM": [20.0, 19.1, 20.9, 20.4],
    "BAM product": [21.5, 21.3, 22.1, 21.9],
    "BAM max": [22.5, 20.9, 23.9, 22.4],
    "BAM r=1": [21.9, 21.4, 23.3, 22.4],
}
BRIEF = replace(SHARED.rows["none"].recipe, epochs=2)
STUDY = replace(SHARED, rows={row: replace(SHARED.rows[row], recipe=BRIEF) for row in ERRORS}, published={})
FILE = """
from dataclasses import replace
from tests.analysis.checks.test_unlisted import STUDY
STUDY = replace(STUDY{changes})
"""
RULE = Stopping(looks=(2, 4))


def write_file(changes: str = "", name: str = "combine.py") -> None:
    """Write the study's file, with some fields changed."""
    Path(name).write_text(FILE.format(changes=changes))


def write_rows(*rows: str) -> None:
    """Write it with these rows, which differ in no reduction."""
    knobs = ("attention", "attention.combine")
    write_file(f", rows={{row: STUDY.rows[row] for row in {rows!r}}}, scientific={knobs}")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with the study's file; no network is counted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.table.counted.counts", lambda _: {})
    monkeypatch.setattr("analysis.cli.verbs.plan.counts", lambda rows: dict.fromkeys(rows, Counts(7, 11)))
    write_file()


@pytest.fixture
def made(work):
    """The study, trained without a margin: each manifest keeps what for."""
    for place, (row, run) in enumerate(STUDY.runs()):
        noted = {"row": row, "metric": "error_top1", "margin": "none"}
        finish(Path("runs"), run, ERRORS[row][run.seed], loss=2 + place / 8, key=run.key, studies={"combine": noted})


def said(capsys, *argv):
    capsys.readouterr()
    code = main([*argv])
    out, err = capsys.readouterr()
    assert code == 0, out + err
    return out


def table(capsys, *argv):
    return json.loads(said(capsys, "table", "combine.py", "--format", "json", *argv))


GIVEN = (
    "Margin ±1.5 was given on the command line, not in the study: a margin chosen after a look can be made wide "
    "enough for any row."
)


def test_a_margin_that_the_study_does_not_name_is_told(made, capsys):
    assert table(capsys)["rows"][4]["verdict"].startswith(("not resolved", "no clear"))
    given = table(capsys, "--margin", "1.5")
    assert given["rows"][4]["verdict"] == "equivalent within ±1.5"
    assert given["notes"].count(GIVEN) == 1
    assert GIVEN in " ".join(said(capsys, "table", "combine.py", "--margin", "1.5").split())
    assert GIVEN in said(capsys, "seeds", "combine.py", "--margin", "1.5").splitlines()
    assert json.loads(said(capsys, "seeds", "combine.py", "--margin", "1.5", "--json"))["notes"] == [GIVEN]
    write_file(", margin=0.5")
    other = GIVEN.replace("not in the study:", "and the study names ±0.5:")
    assert other in table(capsys, "--margin", "1.5")["notes"]


def margin_notes(notes):
    return [note for note in notes if "argin" in note]


def test_the_studys_own_margin_is_told_where_it_is_newer_than_the_runs(made, capsys):
    assert margin_notes(table(capsys)["notes"]) == []
    write_file(", margin=1.5")
    newer = (
        "Margin ±1.5 is newer than runs of this study, which were begun with none: a margin chosen after a look can "
        "be made wide enough for any row."
    )
    assert margin_notes(table(capsys)["notes"]) == [newer]
    assert margin_notes(table(capsys, "--margin", "1.5")["notes"]) == [newer], "it is the study's own"
    assert f"note: runs: {newer} (combine)" in said(capsys, "verify", "combine.py").splitlines()
    for kept in ({"margin": "±1.5"}, {}):  # an older version kept none
        for row, run in STUDY.runs():
            RunFolder.of(Path("runs"), run).note(studies={"combine": {"row": row, **kept}})
        assert margin_notes(table(capsys)["notes"]) == []


def test_a_metric_that_is_newer_than_the_runs_is_told(made, capsys):
    write_file(", metric='error_top5'")
    told = (
        "The study compares error_top5, and runs of it were begun when it compared error_top1: a metric chosen after a "
        "look makes p too small."
    )
    assert told in table(capsys)["notes"]


def test_a_declared_margin_is_no_choice_of_the_call(made, capsys):
    fresh = replace(STUDY.stopping_by(RULE, 4), margin=1.5)
    declare(fresh, Path("runs"), [])
    assert margin_notes(table(capsys, "--margin", "1.5")["notes"]) == []


def test_rows_that_are_dropped_stay_in_the_family(made, capsys):
    whole = {row["label"]: row for row in table(capsys)["rows"]}
    write_rows("none", "BAM", "BAM product")
    kept = table(capsys)
    assert kept["comparisons"] == 4
    assert kept["unlisted"]["rows"] == kept["unlisted"]["compared"] == ["BAM max", "BAM r=1"]
    p = paired(ERRORS["BAM"], ERRORS["none"]).p
    for row in kept["rows"][1:]:
        for entry in ("p_adjusted", "p_holm", "delta", "verdict"):
            assert row[entry] == whole[row["label"]][entry], entry
    assert kept["rows"][1]["p_adjusted"] == pytest.approx(4 * p)
    told = (
        "The record has results of this study for rows 'BAM max', 'BAM r=1', which it has not: p and intervals are for "
        "4 comparisons, not 2, so that dropping rows after a look resolves none."
    )
    assert kept["notes"].count(told) == 1
    assert told in said(capsys, "seeds", "combine.py").splitlines()
    assert f"note: runs: {told} (combine)" in said(capsys, "verify", "combine.py").splitlines()
    (plan,) = json.loads(said(capsys, "plan", "combine.py", "--resolve", "1", "--sd", "0.5", "--json"))
    assert plan["forecast"]["comparisons"] == 4
    assert plan["least_resolvable_sd"] == round(least_resolvable(1.0, 4, comparisons=4), 3)
    drawn = json.loads(said(capsys, "plot", "combine.py", "effects", "--json"))
    assert "4 comparisons" in drawn[0]["caption"]
    said(capsys, "table", "combine.py", "-o", "t.json")
    assert said(capsys, "verify", "combine.py", "--table", "t.json").endswith("compared with 1 table, 0 problems\n")
    Path("t.json").write_text(json.dumps(kept | {"comparisons": 2}))
    assert main(["verify", "combine.py", "--table", "t.json"]) == 1
    shown = table(capsys, "--only", "row=BAM")
    assert shown["comparisons"] == 4
    assert any(note.startswith("1 of the study's 2 comparisons") for note in shown["notes"])


@pytest.mark.parametrize("how", ["failed", "at other seeds"])
def test_a_row_without_a_result_at_the_studys_seeds_is_told_and_no_more(made, capsys, how):
    write_rows("none", "BAM", "BAM product", "BAM max")
    for seed in range(4):
        run = replace(STUDY.rows["BAM r=1"], seed=seed)
        folder = Path("runs", run.key)
        (folder / "result.json").unlink()
        if how == "failed":
            text = (folder / "manifest.json").read_text().replace('"complete"', '"failed"')
            (folder / "manifest.json").write_text(text)
        else:
            later = replace(run, seed=seed + 4)
            finish(Path("runs"), later, 20.0, loss=3 + seed, studies={"combine": {"row": "BAM r=1"}})
    kept = table(capsys)
    assert (kept["comparisons"], kept["unlisted"]["rows"], kept["unlisted"]["compared"]) == (3, ["BAM r=1"], [])
    assert (
        "The record has runs of this study for row 'BAM r=1', which it has not, and no result at the study's seeds: "
        "p is not adjusted for it." in kept["notes"]
    )


def test_a_second_ruled_attempt_is_told_in_both_tables(work, capsys):
    first, second = STUDY.stopping_by(RULE), replace(STUDY, name="again").stopping_by(RULE, 10)
    write_file(", name='again'", "again.py")
    declare(first, Path("runs"), [])
    assert table(capsys)["unlisted"]["attempts"] == []
    declare(second, Path("runs"), [])
    declared = json.loads(Path("runs/rules/again.json").read_text())["declared"]
    told = (
        "Rows 'BAM', 'BAM product', 'BAM max', 'BAM r=1' are also judged by the stopping rule of study 'again' "
        f"(declared {declared[:10]}): 2 attempts together err in up to 10 %, not 5 %."
    )
    ours = table(capsys)
    attempt = {"study": "again", "declared": declared, "level": 0.05, "rows": list(ERRORS)[1:]}
    assert ours["unlisted"]["attempts"] == [attempt]
    assert ours["notes"].count(told) == 1
    assert f"note: runs: {told} (combine)" in said(capsys, "verify", "combine.py").splitlines()
    theirs = json.loads(said(capsys, "table", "again.py", "--format", "json"))
    assert sum("of study 'combine' (declared" in note for note in theirs["notes"]) == 1
    rows = {row: STUDY.rows[row] for row in ("none", "BAM max")}
    part = replace(STUDY, name="third", rows=rows, scientific=("attention",))
    declare(part.stopping_by(RULE, 20), Path("runs"), [])
    declare(replace(part, name="fourth").stopping_by(RULE), Path("runs"), [])  # the same figures, looked at as often
    (note,) = (note for note in table(capsys)["notes"] if "attempts" in note)
    assert note.endswith("'third' (declared " + declared[:10] + "): 3 attempts together err in up to 14 %, not 5 %.")


def test_what_another_rule_judges_against_another_baseline_or_by_another_metric_is_no_attempt(work, capsys):
    for name, changes in {
        "metric": {"metric": "error_top5"},
        "baseline": {"baseline": "BAM max"},
    }.items():
        declare(replace(STUDY, name=name, **changes).stopping_by(RULE, 10), Path("runs"), [])
    longer = replace(STUDY, name="longer").override({"recipe.epochs": "3"})
    declare(longer.stopping_by(RULE, 10), Path("runs"), [])
    declare(STUDY.stopping_by(RULE), Path("runs"), [])
    assert table(capsys)["unlisted"]["attempts"] == []


@pytest.mark.parametrize(("seeds", "told"), [("(20, 21)", True), ("2", False)])
def test_a_study_without_a_rule_is_told_of_one_that_judges_its_rows_at_other_seeds(work, capsys, seeds, told):
    """Where the seeds are the rule's own, its runs are the same, and another note says who decided their number."""
    write_file(f", seeds={seeds}")
    declare(replace(STUDY, name="again").stopping_by(RULE), Path("runs"), [])
    assert any("2 attempts" in note for note in table(capsys)["notes"]) == told
