"""`bam seeds` on made-up runs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from analysis.cli import main
from studies.definition.stopping import Stopping
from studies.library import find_study
from studies.records.records import gather
from studies.stopping_rules.declaration import declare
from tests.analysis.synthetic import STUDY as SHARED
from tests.analysis.synthetic import finish, golden_table

STUDY = """
from tests.analysis.synthetic import STUDY
"""

RULE = """
from dataclasses import replace
from studies.definition.stopping import Stopping

STUDY = replace(STUDY.stopping_by(Stopping(looks=(2, 8))), margin=1)
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    golden_table(tmp_path / "runs")
    (tmp_path / "combine.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def test_which_rows_are_open_and_what_closing_them_costs(made, capsys):
    assert main(["seeds", "combine.py", "--margin", "1", "--budget", "12h"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[1] == "row n Δ to see ±1 to call it none as seen device-hours in budget"
    assert lines[2] == "BAM 4 −2.03 better"
    assert lines[3].startswith("BAM product 4 −0.42 3 more seeds 3 more seeds 17 more seeds 0.0083 ")
    assert lines[4].startswith("BAM max 3 −0.08 23 more seeds 25 more seeds >1000 seeds ")
    assert lines[5] == "SE_r8 <light> 1 +1.75 too few seeds so far (1 of 4 seeds)"
    assert lines[6] == "BAM r=1 4 0.00 changes nothing"
    assert lines[3].endswith(" yes")
    assert lines[7].startswith("Margin ±1 was given on the command line, not in the study: ")
    assert lines[8].startswith("2 open; closing those that can be costs about ")
    assert lines[9] == (
        "Planned for 80 % power at 5 % over 5 comparisons, with the spread seen, of which few seeds tell little: to "
        "see a true difference of ±1 points, and to call a true difference of 0 equivalent within it. A row costs the "
        "more of the two, without the baseline."
    )
    assert lines[10].startswith("As seen: until the Δ seen would be resolved, were it the true one. It is a guess: ")
    assert lines[-1].endswith("`bam run combine.py --margin 1 --until-resolved --first-seed 4`")


def test_without_a_margin_seeds_are_not_planned(made, capsys):
    assert main(["seeds", "combine.py"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == "row n Δ as seen device-hours"
    assert lines[3:5] == ["BAM product 4 −0.42 17 more seeds -", "BAM max 3 −0.08 >1000 seeds -"]
    assert lines[7:9] == ["2 open", "Name the difference that matters, as --margin 0.3: seeds are planned on that."]


def test_the_seeds_that_it_names_are_fresh_in_every_study(made, capsys, tmp_path):
    """A row of another study's at a later seed, and one that --only leaves out, have shown a figure, too."""
    finish(tmp_path / "runs", replace(SHARED.rows["none"], seed=4), 20.0)
    finish(tmp_path / "runs", replace(SHARED.rows["SE_r8 <light>"], seed=21), 20.0)
    finish(tmp_path / "runs", replace(SHARED.rows["BAM"], seed=5), 20.0)
    assert main(["seeds", "combine.py", "--only", "row=BAM product"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].rpartition("`bam ")[2].rstrip("`")
    assert command == "run combine.py --until-resolved --first-seed 22"
    assert main(["run", "combine.py", "--until-resolved", "--first-seed", "4"]) == 2
    assert "ask fresh seeds with --first-seed 22, or another --root" in capsys.readouterr().err
    rule = SHARED.stopping_by(Stopping(), 22)
    assert declare(rule, tmp_path / "runs", gather(rule, tmp_path / "runs")) == rule


def test_a_rule_looks_at_both_at_once(made, capsys, tmp_path):
    (tmp_path / "combine.py").write_text(STUDY + RULE)
    declare(find_study(str(tmp_path / "combine.py")), tmp_path / "runs", [])
    assert main(["seeds", "combine.py"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == "BAM 2 −1.95 6 more seeds 0.017"
    assert lines[3] == "BAM product 2 −0.10 6 more seeds 0.017"
    assert lines[4] == "BAM max 2 +0.25 ended: failed at seed 2"
    retry = "`bam run combine.py --retry failed`"
    assert lines[-3] == f"a rule that a failed run has ended goes on where that run is trained again: {retry}"
    # 6 + 6 more seeds, the 2 of a first look, and 6 of the baseline, ten seconds each
    assert lines[-2] == "3 open; closing those that can be costs about 0.056 device-hours, baseline included"
    assert lines[-1].startswith("its seeds follow a rule (looks at 2, 8 seeds, ")


def test_json_holds_the_same(made, capsys):
    assert main(["seeds", "combine.py", "--json", "--budget", "1m"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["budget_hours"] == pytest.approx(1 / 60)
    assert [(need["row"], need["as_seen"], need["to_differ"], need["to_equal"]) for need in told["open"]] == [
        ("BAM product", 17, None, None),
        ("BAM max", None, None, None),
    ]
    assert [need["affordable"] for need in told["open"]] == [False, False]
    assert told["verdicts"]["BAM"] == "better"


@pytest.mark.parametrize(("asked", "told"), [([], False), (["--seeds", "2"], False), (["--seeds", "3"], True)])
def test_the_seeds_that_are_asked_tell_whether_another_studys_rule_decided_some(made, capsys, tmp_path, asked, told):
    rule = replace(SHARED.stopping_by(Stopping(looks=(2, 4))), name="ruled")
    declare(rule, tmp_path / "fresh", [])
    (tmp_path / "fresh/rules").rename(tmp_path / "runs/rules")
    (tmp_path / "combine.py").write_text(STUDY + "\nfrom dataclasses import replace\nSTUDY = replace(STUDY, seeds=2)\n")
    assert main(["table", "combine.py", "--format", "json", *asked]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("by the stopping rule of study ruled" in note for note in notes) == told
