"""`bam plan` of a difference that is named, and of a stopping rule."""

from __future__ import annotations

import json
from statistics import median

import pytest

from analysis.cli import main
from studies.definition.stopping import Stopping
from studies.library import find_study
from studies.records.counts import Counts
from studies.stopping_rules.declaration import declare
from tests.analysis.cli.conftest import TINY
from tests.analysis.synthetic import golden_table

STUDY = "from tests.analysis.synthetic import STUDY\n"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    (tmp_path / "combine.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("analysis.cli.verbs.plan.counts", lambda rows: dict.fromkeys(rows, Counts(7, 11)))


def planned(capsys, *words):
    assert main(["plan", "combine.py", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


def said(capsys, *words):
    assert main(["plan", "combine.py", *words]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_named_difference_before_the_first_run(asked, tmp_path, capsys):
    found = planned(capsys, "--resolve", "0.3", "--sd", "0.25", "--margin", "0.2")["forecast"]
    assert (found["resolve"], found["sd"], found["comparisons"], found["sd_of_rows"]) == (0.3, 0.25, 5, None)
    lines = said(capsys, "--resolve", "0.3", "--sd", "0.25", "--margin", "0.2")
    named = "a true difference of 0.3 points (1.2 sd of paired differences, which is 0.25 points)"
    own = f"the study's own have {100 * found['power']:.0f} %"
    assert f"to resolve {named} in 80 %: {found['seeds']} seeds; {own}" in lines
    same = f"to call a row that is no different equivalent within ±0.2 in 80 %: {found['seeds_equivalent']} seeds"
    assert same in lines
    assert not (tmp_path / "runs").exists()


def test_without_a_spread_it_is_asked_and_with_runs_it_is_the_median_of_theirs(asked, tmp_path, capsys):
    assert main(["plan", "combine.py", "--resolve", "0.3"]) == 2
    assert capsys.readouterr().err == (
        "bam: --resolve 0.3: no row of combine has two finished seeds paired with its baseline, which would tell the "
        "spread; give the sd of paired differences in points, as --sd 0.25\n"
    )
    table = golden_table(tmp_path / "runs")
    spreads = [row.delta.sd for row in table.rows if row.delta and row.delta.sd > 0]
    for words in ([], ["--looks", "3,5"]):
        found = planned(capsys, "--resolve", "0.3", *words)["forecast"]
        assert (found["sd"], found["sd_of_rows"]) == (median(spreads), len(spreads))
    assert any(f"the median of {len(spreads)} finished rows" in line for line in said(capsys, "--resolve", "0.3"))


def test_a_rule_that_is_asked_and_one_that_is_declared(asked, tmp_path, capsys):
    words = ["--looks", "4,5", "--spending", "pocock"]
    found = planned(capsys, *words, "--resolve", "1", "--sd", "0.5")
    assert found["stopping"] == "looks at 4, 5 seeds, pocock spending of 0.05"
    assert [look["n"] for look in found["looks"]] == [look["seeds"] for look in found["forecast"]["looks"]] == [4, 5]
    assert found["least_resolvable_sd"] == round(found["looks"][1]["resolves"], 3)
    first = found["forecast"]["looks"][0]
    lines = said(capsys, *words, "--resolve", "1", "--sd", "0.5")
    share = f"{100 * first['stops']:.1f} %"
    assert f"4 seeds {first['meets']:.3g} {share} {share}" in lines
    assert not (tmp_path / "runs").exists(), "planned, not declared"
    rule = Stopping(looks=(4, 5), spending="pocock")
    declare(find_study("combine.py").stopping_by(rule), tmp_path / "runs", [])
    assert planned(capsys)["looks"] == found["looks"]
    told = said(capsys)
    looks = [line.partition(":")[0] for line in told if line.startswith("look at ")]
    assert looks == ["look at 4 seeds", "look at 5 seeds"]
    assert main(["plan", "combine.py", "--spending", "obrien-fleming"]) == 2
    assert capsys.readouterr().err.startswith("bam: --spending: combine follows a stopping rule (looks at 4, 5 seeds, ")


def test_a_rule_for_seeds_that_are_known_is_said_to_be_refused(asked, tmp_path, capsys):
    assert planned(capsys, "--until-resolved")["known_seeds"] == []
    golden_table(tmp_path / "runs")
    found = planned(capsys, "--looks", "4,8")
    known, first = found["known_seeds"], found["first_seed"]
    told = [line for line in said(capsys, "--looks", "4,8") if "refuses" in line]
    seeds = ", ".join(map(str, known))
    assert told == [
        f"`bam run` refuses this rule: runs have begun at seeds {seeds}; ask fresh ones with --first-seed {first}"
    ]
    assert known == [*range(first)]
    assert main(["run", "combine.py", "--looks", "4,8", "--until-resolved", "--wandb", "off"]) == 2
    assert f"ask fresh seeds with --first-seed {first}, or" in capsys.readouterr().err
    assert planned(capsys)["known_seeds"] == [], "no rule is asked"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--sd", "0.25"], "--sd: goes with --resolve; give that, too"),
        (["--margin", "0.25"], "--margin: goes with --resolve; give that, too"),
        (["--until-resolved", "--seeds", "3"], "--seeds: with --until-resolved the rule says how many; use --looks"),
    ],
)
def test_options_that_do_not_go_together(asked, words, line, capsys):
    assert main(["plan", "combine.py", *words]) == 2
    assert capsys.readouterr().err == f"bam: {line}\n"


def test_a_study_of_its_baseline_alone_has_nothing_to_resolve(asked, tmp_path, capsys):
    """It ended in a division by zero."""
    alone = 'STUDY = replace(STUDY, rows={"none": STUDY.rows["none"]}, scientific=(), published={})\n'
    (tmp_path / "combine.py").write_text(f"from dataclasses import replace\n{STUDY}{alone}")
    assert planned(capsys)["least_resolvable_sd"] is None
    assert any(line.endswith("runs left; no row to compare with the baseline") for line in said(capsys))
    assert main(["plan", "combine.py", "--resolve", "1"]) == 2
    assert "--resolve: combine has no row beside its baseline, so no difference" in capsys.readouterr().err


def test_rows_are_measured_on_these_devices_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    """Two rows, one run of one of them there: 81 batches an epoch, two epochs, three runs to come."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "tiny.py").write_text(TINY.replace("batch_size=64", "batch_size=16"))
    assert main(["plan", "tiny.py", "--measure", "--devices", "cpu:2", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)[0]
    measured = one["measured"]
    assert measured["at_once"] == 2
    assert set(measured["images_per_s"]) == {"none", "BAM"}
    for row in one["rows"]:
        hours = measured["hours_a_run"][row["row"]]
        trained = 2 * 81 * 16 / measured["images_per_s"][row["row"]] / 3600
        assert trained < hours < 20 * trained, "scoring comes on top"
        assert row["device_hours_left"] == pytest.approx(2 * hours, abs=1e-4)
    first, second = measured["hours_a_run"].values()
    assert max(first, second) * 2 >= measured["hours"] >= max(first, second)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.py"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--devices", "cpu:2"], "bam: --devices: goes with --measure; give that, too\n"),
        (["--threads", "2"], "bam: --threads: goes with --measure; give that, too\n"),
        (["--measure", "--devices", "gpu"], "bam: --devices gpu: give GPU indices like 0,1 (each once) or CPU ranks"),
    ],
)
def test_where_it_is_measured_goes_with_measuring(asked, words, line, capsys):
    assert main(["plan", "combine.py", *words]) == 2
    assert capsys.readouterr().err.startswith(line)
