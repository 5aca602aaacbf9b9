"""A study's analysis run on a server, and offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from analysis.cli import main
from analysis.review import send
from studies.tracking.names import analysis_id
from tests.studies.tracking.wandb_file import messages

HOME = Path(__file__).parents[3]
TINY = "from tests.studies.conftest import BASE, tiny\nwith_bam = tiny().rows['BAM']\nSTUDY = tiny({})\n"
OTHER = "name='other', question='And the second?', rows={'plain': BASE, 'ours': with_bam}, baseline='plain', seeds=1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A runs folder of two studies that share two runs, trained without W&B."""
    home = tmp_path_factory.mktemp("home")
    (home / "tiny.py").write_text(TINY.format(""))
    (home / "other.py").write_text(TINY.format(OTHER))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(["run", "tiny.py", "other.py", "--devices", "cpu:2", "--wandb", "off"]) == 0
    return home


def files_of(run, name):
    return [content for path, content in run.files.items() if path.startswith(f"media/{name}_")]


def test_the_study_is_on_the_server_beside_its_runs(tmp_path, monkeypatch, wandb_server, capsys):
    (tmp_path / "tiny.py").write_text(TINY.format(""))
    (tmp_path / "other.py").write_text(TINY.format(OTHER))
    monkeypatch.chdir(tmp_path)
    words = ["run", "tiny.py", "--devices", "cpu:2", "--wandb", "online", "--wandb-alert"]
    environment = os.environ | {"PYTHONPATH": str(HOME)}  # of a fork server, too, which this process has from before
    call = [sys.executable, "-m", "analysis.cli", *words]
    told = subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stderr
    runs = wandb_server.runs
    study = runs[f"lab/lightning-bam/{analysis_id('tiny')}"]
    assert (
        f"W&B: what tiny came to: {wandb_server.url}/lab/lightning-bam/runs/{analysis_id('tiny')}; its view: " in told
    )
    assert (study.job_type, study.group, study.display_name) == ("analysis", "tiny", "analysis of tiny")
    assert study.tags == ["study:tiny"]
    question, _, counted, verdict = study.notes.splitlines()
    assert question == "**Does BAM help on plain digits?**"
    assert counted.startswith("- 1 comparison of top-1 error with 'none': none resolved at 5 %")
    assert verdict.startswith("- No clear difference: 'BAM'; the data allow ")
    assert study.summary["runs"] == "4 of 4 runs complete"
    assert study.state == "finished"
    assert main(["table", "tiny.py", "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    (name,) = [name for name in study.files if name.startswith("media/table/table_")]
    stored = json.loads(study.files[name])
    cells = dict(zip(stored["columns"], stored["data"][1], strict=True))
    assert (cells["row"], cells["n"], cells["verdict"]) == ("BAM", 2, table["rows"][1]["verdict"])
    assert cells["delta_low"] == table["rows"][1]["delta"]["low"]
    drawn = {f"{kind}/picture" for kind in ("effects", "curves", "seeds", "pareto")}
    assert drawn | {"table", "report", "methods"} <= study.summary.keys()
    for key in drawn:
        assert files_of(study, f"images/{key}")[0].startswith(b"\x89PNG")
        assert study.summary[key]["caption"]
    (page,), (method,) = files_of(study, "html/report"), files_of(study, "html/methods")
    assert b"No clear difference: &#x27;BAM&#x27;; the data allow " in page
    assert b"<dt>How many runs is each figure based on?</dt><dd>Each row was trained 2 times" in method
    assert str(tmp_path).encode() not in page + method
    trained = [run for run in runs.values() if run.job_type != "analysis"]
    assert len(trained) == 4
    of_bam = sorted(run.id for run in trained if run.config["row"] == "BAM")
    assert sorted(cells["runs"].split()) == of_bam, "a cell's runs, by their ids"
    assert [alert["title"] for alert in wandb_server.alerts] == ["tiny: 4 of 4 runs complete"]
    (bundle,) = [one for one in wandb_server.artifacts if one.type == "bundle"]
    assert bundle.run is study
    records = [one for one in wandb_server.artifacts if one.type == "run-record"]
    assert len(records) == 4
    assert all(one.used_by for one in records), "the bundle depends on the runs"
    assert main(["report", "other.py", "--wandb"]) == 0
    tags = {run.id: run.tags for run in trained}
    assert sum("study:other" in found for found in tags.values()) == 2, "found from each study"
    assert all("study:tiny" in found for found in tags.values())
    rows = [run.config["rows"] for run in trained]
    assert sorted(map(str, rows)) == sorted(
        map(
            str,
            [{"tiny": "none", "other": "plain"}, {"tiny": "BAM", "other": "ours"}, {"tiny": "none"}, {"tiny": "BAM"}],
        )
    ), "and by the name of its row there"
    assert f"lab/lightning-bam/{analysis_id('other')}" in runs
    inspected = Path("runs", of_bam[0], "inspect")
    inspected.mkdir()
    Image.new("RGB", (7, 5), "red").save(inspected / "maps-0.png")
    assert main(["report", "tiny.py", "--wandb"]) == 0
    assert len([run for run in wandb_server.runs.values() if run.job_type == "analysis"]) == 2, "written over"
    maps = files_of(wandb_server.runs[f"lab/lightning-bam/{analysis_id('tiny')}"], "images/inspect/maps")
    assert maps == [(inspected / "maps-0.png").read_bytes()]
    assert wandb_server.unknown == []


def test_offline_the_analysis_lies_beside_the_runs(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(["report", "tiny.py", "--wandb"]) == 0
    assert main(["report", "tiny.py", "--wandb"]) == 0
    line = "bam: W&B: 1 record in runs/wandb; `wandb sync --include-online runs/wandb/*run-*` sends it\n"
    assert capsys.readouterr().err.count(line) == 2
    (record,) = Path("runs/wandb").glob(f"offline-run-*-{analysis_id('tiny')}")
    told = messages(record.absolute())
    assert [message["type"] for message in told].count("history") == 1
    types = [message["artifact"]["type"] for message in told if message["type"] == "artifact"]
    assert sorted(types) == ["bundle", "run_table", "run_table"], "W&B keeps a table, and a chart's, as artifacts, too"
    assert told[-1]["exit"]["exit_code"] == 0


def test_what_a_study_came_to_is_told_once_whichever_call_trains(trained, monkeypatch, capsys, wandb_server):
    """Runs may have been trained by a call that was killed before its end, by a worker, or for another study."""
    monkeypatch.chdir(trained)
    call = ["run", "tiny.py", "--devices", "cpu:2", "--wandb"]
    shutil.rmtree("runs/wandb", ignore_errors=True)
    assert main([*call, "offline"]) == 0
    assert "W&B: 1 record in runs/wandb; " in capsys.readouterr().err
    wandb_server.refuse(500, only="POST /graphql Runs")
    assert main([*call, "online"]) == 0, "what was recorded offline lacks what needs a server"
    told = capsys.readouterr().err
    assert "W&B: runs of tiny may lack its tag (" in told
    assert "what tiny came to: " in told
    assert "; its view: " in told, "what comes after the tags is tried"
    assert len([line for line in told.splitlines() if "W&B" in line]) == 2
    wandb_server.recover()
    assert main([*call, "online"]) == 0
    assert "what tiny came to: " in capsys.readouterr().err, "it is tried again"
    for mode in ("online", "offline", "off"):
        wandb_server.requests.clear()
        assert main([*call, mode]) == 0
        assert ("W&B" in capsys.readouterr().err, wandb_server.requests) == (False, [])
    assert wandb_server.unknown == []


def test_what_a_server_refuses_of_it_is_no_success(trained, monkeypatch, capsys, wandb_server):
    monkeypatch.chdir(trained)
    wandb_server.refuse(403, only="PUT /storage/run")
    assert main(["report", "other.py", "--wandb"]) == 1
    first, last = capsys.readouterr().err.splitlines()
    assert first == "bam: W&B: the server has refused part of what other came to"
    assert last == "bam: W&B: 1 record could not be sent; `wandb sync --include-online runs/wandb/*run-*` sends it"


def test_a_study_of_many_runs_has_more_time(trained, monkeypatch, wandb_server):
    """Each of them is asked for, one after the other."""
    monkeypatch.setattr(send, "LIMIT", 0.0)
    monkeypatch.setattr(send, "LIMIT_A_RUN", 60.0)
    monkeypatch.chdir(trained)
    assert main(["report", "other.py", "--wandb"]) == 0
    assert f"lab/lightning-bam/{analysis_id('other')}" in wandb_server.runs


@pytest.mark.parametrize(("words", "line"), [(["-o", "x.html"], "--output x.html: --wandb writes no page"), ([], "")])
def test_a_wrong_call_is_one_line(trained, monkeypatch, capsys, words, line):
    monkeypatch.chdir(trained)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["report", "tiny.py", "--wandb", *words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert (line or "WANDB_MODE=disabled: --wandb tells nobody; unset it") in told


def test_where_no_run_is_nothing_is_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(["report", "quickstart", "--wandb"]) == 2
    line = "bam: quickstart: none of its runs is in runs, so W&B is told nothing; --root DIR names another folder\n"
    assert capsys.readouterr() == ("", line)
    assert not Path("runs").exists()
