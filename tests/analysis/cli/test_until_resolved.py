"""`bam run --until-resolved` and `bam seeds`, as a person meets them."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace

import pytest

from analysis.cli import main
from studies.library import find_study
from studies.stopping_rules.declaration import declare, seal
from tests.analysis.cli.test_cli import MINE
from tests.analysis.synthetic import ERRORS, finish, interrupt, write

TRAIN = ["--devices", "cpu:2", "--wandb", "off"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE.replace("epochs=2", "epochs=1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capfd):
    captured = capfd.readouterr()
    return captured.out, [line for line in captured.err.splitlines() if line.startswith(("bam:", "mine:"))]


def test_seeds_follow_a_declared_rule_to_the_table(mine, capfd):
    assert main(["run", "mine.py", "--until-resolved", "--looks", "2,3", "--margin", "0.5", *TRAIN]) == 0
    _, lines = said(capfd)
    assert lines[:2] == [
        "bam: mine: look at 2 seeds: only differences above 101 sd: it resolves nothing",
        "bam: mine: look at 3 seeds: differences above 3.89 sd (of paired differences), a true one of 5.01 sd in 80 %",
    ]
    lines = lines[2:]
    assert lines[0] == "bam: mine: looks at 2, 3 seeds, obrien-fleming spending of 0.05, over 2 comparisons"
    assert lines[1:3] == ["bam: 2 seeds for 'BAM', 'SE'", "mine: 6 of 6 runs complete, 6 of them now"]
    assert lines[3:5] == ["bam: 3 seeds for 'BAM', 'SE'", "mine: 9 of 9 runs complete, 3 of them now"]
    rule = json.loads((mine / "runs/rules/mine.json").read_text())
    assert (rule["seeds"], rule["margin"], rule["stopping"]["looks"]) == ([0, 1, 2], 0.5, [2, 3])
    sealed = {path: json.loads(path.read_text())["studies"] for path in mine.glob("runs/*/manifest.json")}
    seals = [studies["mine"] for studies in sealed.values()]
    assert sorted(told.pop("row") for told in seals) == ["BAM"] * 3 + ["SE"] * 3 + ["none"] * 3
    assert {told.pop("asked") for told in seals} == {f"{mine}/mine.py --margin 0.5"}
    assert seals == [{"metric": "error_top1", "margin": "±0.5", **seal(mine / "runs", "mine")}] * 9
    assert main(["verify", "mine.py"]) == 0
    assert said(capfd)[0] == "verified: 9 complete runs of 1 study, 0 problems\n"
    assert main(["run", "mine.py", *TRAIN]) == 0, "the rule is known from now on"
    assert said(capfd)[1] == [lines[0], "mine: its table: bam table mine.py"], "and there is nothing left to train"
    assert main(["table", "mine.py", "--format", "json"]) == 0
    table = json.loads(said(capfd)[0])
    assert table["stopping"] == {"looks": [2, 3], "spending": "obrien-fleming", "level": 0.05, "spare": 0}
    assert [row["verdict"] for row in table["rows"][1:]] == ["no clear difference by 3 seeds, the last look"] * 2
    for form in ("text", "md", "csv", "tex", "html"):
        assert main(["table", "mine.py", "--format", form]) == 0
        assert "last look" in said(capfd)[0]
    assert main(["table", "mine.py"]) == 0
    out = said(capfd)[0]
    assert "Seeds follow a rule declared before the first result: looks at 2, 3 seeds" in " ".join(out.split())
    assert main(["bundle", "mine.py", "-o", "blind.tar.gz", "--anonymous"]) == 0
    with tarfile.open("blind.tar.gz") as tar:
        tar.extractall("reader", filter="data")
    hidden = json.loads((mine / "reader/mine/runs/rules/mine.json").read_text())
    assert hidden == rule | {"commit": hidden["commit"]}
    assert rule["commit"].partition("+")[0] not in hidden["commit"] or rule["commit"].startswith("+")
    capfd.readouterr()
    assert main(["verify", "mine.py", "--root", "reader/mine/runs"]) == 0, "the seals are those of the rule without it"
    assert said(capfd)[0].endswith("verified: 9 complete runs of 1 study, 0 problems\n")
    assert main(["status", "mine.py", "--json"]) == 0
    assert {run["state"] for run in json.loads(said(capfd)[0])} == {"complete"}
    assert main(["seeds", "mine.py"]) == 0
    out = said(capfd)[0]
    assert out.splitlines()[-1] == "no row is open whose figures tell how many seeds it needs"
    for words, line in [
        (["--seeds", "5"], "bam: --seeds: mine follows a stopping rule (looks at 2, 3 seeds, "),
        (["--margin", "0.7"], "bam: --margin: mine follows a stopping rule (looks at 2, 3 seeds, "),
        (["--only", "row=BAM"], "bam: --only: mine follows a stopping rule, which is for all of its rows"),
        (["--looks", "2,4"], "bam: --looks: mine follows a stopping rule (looks at 2, 3 seeds, "),
        (["--spare", "1"], "bam: --spare: mine follows a stopping rule (looks at 2, 3 seeds, "),
        (["--spending", "pocock"], "bam: --spending: mine follows a stopping rule (looks at 2, 3 seeds, "),
        (["--first-seed", "7"], "bam: --first-seed: mine follows a stopping rule (looks at 2, 3 seeds, "),
    ]:
        assert main(["run", "mine.py", *words, *TRAIN]) == 2
        (found,) = said(capfd)[1]
        assert found.startswith(line)


ENDED = """
from dataclasses import replace
from studies.definition.stopping import Stopping
from tests.analysis.synthetic import STUDY

rows = {row: STUDY.rows[row] for row in ("none", "BAM max", "BAM product")}
STUDY = replace(STUDY, name="mine", rows=rows, published={}, scientific=("attention", "attention.combine"))
STUDY = STUDY.stopping_by(Stopping(looks=(2, 4)))
"""


def test_a_run_that_ends_a_rule_is_named_with_what_helps(mine, capfd):
    (mine / "mine.py").write_text(ENDED)
    study = find_study("mine.py")
    declare(study, mine / "runs", [])
    write(mine / "runs", study, ERRORS | {"none": [22.0, 21.0, None, 22.5]})
    interrupt(mine / "runs", replace(study.rows["none"], seed=2), "failed")
    assert main(["run", "mine.py", *TRAIN]) == 1
    ended = "BAM max, BAM product: ended: 'none' failed at seed 2"
    assert said(capfd)[1][1:] == [
        f"bam: {ended}; --retry failed trains it again, and the rule goes on",
        "mine: its table: bam table mine.py",
    ]
    assert main(["status", "mine.py"]) == 0
    assert f"mine  {ended}" in said(capfd)[0].splitlines()


def test_a_spare_seed_that_no_row_needs_is_not_still_to_come(mine, capfd):
    """Verified runs are those of the last look; before, three of the spare seed were counted as missing for ever."""
    (mine / "mine.py").write_text(ENDED.replace("(2, 4)", "(2, 4), spare=1"))
    study = find_study("mine.py")
    declare(study, mine / "runs", [])
    figures = {"none": [22.0, 21.0, 23.0, 22.5, None], "BAM max": [21.0, 22.5, 22.0, 21.75, None]}
    write(mine / "runs", study, figures | {"BAM product": [21.5, 21.3, 22.1, None, None]})
    main(["verify", "mine.py"])
    assert said(capfd)[0].splitlines()[-1].startswith("verified: 11 complete runs of 1 study, 1 run still to come, ")


def test_a_rule_after_a_look_is_refused(mine, capfd):
    assert main(["run", "mine.py", "--seeds", "1", *TRAIN]) == 0
    said(capfd)
    assert main(["run", "mine.py", "--until-resolved", *TRAIN]) == 2
    (line,) = said(capfd)[1]
    assert line.startswith("bam: mine: 3 of its runs had begun before a stopping rule was declared (as 'none', seed 0)")
    assert "--first-seed 1" in line
    assert not (mine / "runs/rules").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--looks", "2,3"], "bam: --looks: goes with --until-resolved; give that, too"),
        (["--spare", "1"], "bam: --spare: goes with --until-resolved; give that, too"),
        (["--spending", "pocock"], "bam: --spending: goes with --until-resolved; give that, too"),
        (["--first-seed", "3"], "bam: --first-seed: goes with --until-resolved; give that, too"),
        (["--margin", "0.3"], "bam: --margin: goes with --until-resolved; give that, too"),
        (["--until-resolved", "--seeds", "3"], "bam: --seeds: with --until-resolved the rule says how many; use "),
        (["--until-resolved", "--only", "row=SE"], "bam: --only: mine follows a stopping rule, which is for all of "),
    ],
)
def test_options_that_do_not_go_together(mine, words, line, capfd):
    assert main(["run", "mine.py", *words, *TRAIN]) == 2
    assert said(capfd)[1][0].startswith(line)
    assert not (mine / "runs").exists()


@pytest.mark.parametrize(
    ("verb", "words", "line"),
    [
        (
            "run",
            ["--looks", "3,2"],
            "argument --looks: '3,2' is not numbers of seeds that rise from 2 to at most 1,000, as 8,10,12,16",
        ),
        (
            "plan",
            ["--looks", "2,1001"],
            "argument --looks: '2,1001' is not numbers of seeds that rise from 2 to at most 1,000, as 8,10,12,16",
        ),
        ("run", ["--spare", "1001"], "argument --spare: '1001' is not a number from 0 to 1,000"),
        ("table", ["--margin", "0"], "argument --margin: '0' is not percentage points above 0 and below 100, as 0.3"),
        ("status", ["--margin", "0.3"], "--margin is no option of it; `bam status --help` lists those that are"),
        ("submit", ["--margin", "0.3"], "--margin is no option of it; `bam submit --help` lists those that are"),
        ("seeds", ["--budget", "12"], "argument --budget: '12' is not a time like 12h, 90m or 2d"),
    ],
)
def test_values_that_cannot_be(mine, verb, words, line, capfd):
    with pytest.raises(SystemExit) as caught:
        main([verb, "mine.py", *words])
    assert caught.value.code == 2
    assert capfd.readouterr().err == f"bam {verb}: {line}\n"


def test_studies_that_share_a_baseline_are_declared_together_before_any_of_them_trains(mine, capfd, monkeypatch):
    """Where one of them is refused, none is; declared by itself, the second would know the baseline of the first."""
    begun = []

    def trained(study, _):
        begun.append((study.label, sorted(path.stem for path in (mine / "runs/rules").iterdir())))
        return 0

    monkeypatch.setattr("analysis.cli.verbs.run.train", lambda study, arguments, options: trained(study, arguments))
    text = (mine / "mine.py").read_text()
    (mine / "second.py").write_text(text.replace('name="mine"', 'name="second"'))
    (mine / "seen.py").write_text(text.replace('name="mine"', 'name="seen"').replace("width=4", "width=6"))
    finish(mine / "runs", find_study("seen.py").rows["BAM"], 20.0)
    rule = ["--until-resolved", "--looks", "2,3", "--spending", "pocock"]
    assert main(["run", "mine.py", "seen.py", *rule, *TRAIN]) == 2
    assert "bam: seen: 1 of its runs had begun before a stopping rule was declared" in capfd.readouterr().err
    assert not (mine / "runs/rules").exists()
    assert main(["run", "mine.py", "second.py", *rule, *TRAIN]) == 0
    assert begun == [("mine", ["mine", "second"]), ("second", ["mine", "second"])]
    assert json.loads((mine / "runs/rules/second.json").read_text())["stopping"]["spending"] == "pocock"
    finish(mine / "runs", find_study("mine.py").rows["none"], 20.0)
    (mine / "third.py").write_text(text.replace('name="mine"', 'name="third"'))
    assert main(["run", "second.py", *TRAIN]) == 0
    assert main(["run", "third.py", *rule, *TRAIN]) == 2
    assert "third: 1 of its runs had begun before a stopping rule was declared (as 'none'" in capfd.readouterr().err


def test_a_rule_is_not_declared_for_data_that_is_not_there(mine, capfd):
    """Its rows could not change any more, so that the study would need another name."""
    text = (mine / "mine.py").read_text().replace("Digits()", 'ImageFolder(name="absent")')
    (mine / "mine.py").write_text(text.replace("Digits", "ImageFolder"))
    for command in ("run", "worker"):
        assert main([command, "mine.py", "--until-resolved", *TRAIN]) == 2
        assert "absent" in said(capfd)[1][-1]
    assert not (mine / "runs" / "rules").exists()
