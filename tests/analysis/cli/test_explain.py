"""`bam explain`: from a row to its runs, on runs that were trained, lost and failed for real."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from analysis.cli import main
from analysis.cli.selection import run_command
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study

HOT = '''"""Which learning rate?"""
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    attention=BAMSpec(reduction=4, dilation=1),
    recipe=Recipe(epochs=1, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="rates",
    question="Which learning rate?",
    rows={"Cool": base, "Hot": replace(base, recipe=replace(base.recipe, lr=1e30))},
    baseline="Cool",
    scientific=("recipe.lr",),
    seeds=2,
)
'''


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("explain")
    (home / "rates.py").write_text(HOT)
    argv = ["run", str(home / "rates.py"), "--root", str(home / "runs"), "--devices", "cpu:2", "--wandb", "off"]
    assert main(argv) == 1, "Hot fails"
    return home


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    return {(row, run.seed): RunFolder.of(Path("runs"), run) for row, run in find_study("rates.py").runs()}


def explained(capsys, *argv):
    capsys.readouterr()
    assert main(["explain", "rates.py", *argv]) == 0
    return capsys.readouterr().out


def test_a_complete_row(here, capsys):
    found = json.loads(explained(capsys, "Cool", "--json"))
    assert (found["study"], found["row"], found["baseline"], found["differences"]) == ("rates", "Cool", "Cool", {})
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    for run in found["runs"]:
        folder = here["Cool", run["seed"]]
        result = json.loads((folder.path / "result.json").read_text())
        assert run["state"] == "complete"
        assert run["key"] == folder.path.name
        assert run["folder"] == str(folder.path)
        assert run["result"] == result
        assert run["figure"] == result["error_top1"]
        assert run["gates"] == folder.metrics()[-1]["gates"]
        (attempt,) = run["attempts"]
        manifest = folder.manifest()
        for name in ("started", "host", "device", "world_size", "threads", "commit", "torch", "python", "version"):
            assert attempt.get(name) == getattr(manifest, name), name
        assert attempt["from_epoch"] == 0
        assert (run["cause"], run["error"], run["traceback"]) == (None, None, None)


def test_a_complete_run_in_words(here, capsys):
    lines = explained(capsys, "cool", "1").splitlines()
    result = here["Cool", 1].result()
    assert lines[0] == "rates: Which learning rate?"
    assert lines[1] == "row         Cool (1 complete)"
    assert lines[2] == "baseline    this row is the baseline"
    assert lines[5] == f"seed 1: complete, epoch 1/1, error {result.error_top1:.2f} %"
    assert lines[6] == f"  folder    {here['Cool', 1].path}"
    (line,) = here["Cool", 1].metrics()
    first, last = ((gate["mean"], 100 * gate["saturated"]) for gate in line["gates"].values())
    assert lines[8] == (
        f"  gates     layer1 {first[0]:.2f} ({first[1]:.0f} % saturated), "
        f"layer2 {last[0]:.2f} ({last[1]:.0f} % saturated)"
    )
    assert "from epoch 0, on " in lines[9]
    assert "1 rank of 1 thread" in lines[9]
    assert not any("go on" in line for line in lines)


def test_a_failed_run_says_why_and_what_next(here, capsys):
    out = explained(capsys, "Hot", "0")
    lines = out.splitlines()
    assert lines[2:4] == ["baseline    Cool: recipe (lr 0.1)", "this row    recipe (lr 1e+30)"]
    assert lines[6] == "seed 0: failed, epoch 0/1"
    assert "training loss is nan after epoch 0; lower recipe.lr=1e+30 or raise recipe.warmup_epochs=0" in out
    assert "    Traceback (most recent call last):" in lines
    assert lines[-1] == "  go on     `bam run rates.py --retry failed` trains it again"
    (run,) = json.loads(explained(capsys, "Hot", "0", "--json"))["runs"]
    assert run["error"] == here["Hot", 0].manifest().error
    assert run["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert "training loss is nan" in run["traceback"]


def test_the_recorded_cause_rank_and_traceback_are_told(here, capsys):
    folder = here["Hot", 1]
    folder.note(
        cause="nan", rank=1, error="loss is nan", traceback="Traceback (most recent call last):\n  here\nE: nan"
    )
    lines = explained(capsys, "Hot", "1").splitlines()
    at = lines.index("  failed    nan: loss is nan (rank 1)")
    assert lines[at + 1 : at + 4] == ["    Traceback (most recent call last):", "      here", "    E: nan"]


def test_a_lost_run_says_how_to_go_on(here, capsys):
    folder = here["Cool", 0]
    (folder.path / "result.json").unlink()
    folder.note(state="running")
    assert explained(capsys, "Cool", "0").splitlines()[-1] == (
        "  go on     `bam run rates.py` goes on from its last checkpoint"
    )
    folder.checkpoint.unlink()
    assert explained(capsys, "Cool", "0", "--root", "./runs").splitlines()[-1] == (
        "  go on     `bam run rates.py --root ./runs` goes on from the start (it has no checkpoint yet)"
    )


def test_a_missing_run_says_what_trains_it(here, capsys):
    out = explained(capsys, "Cool", "2", "--seeds", "3", "--set", "recipe.epochs=2")
    assert "seed 2: missing, epoch 0/2" in out
    assert out.splitlines()[-1] == ("  go on     `bam run rates.py --set recipe.epochs=2 --seeds 3` trains it")


def test_a_suggested_command_has_no_password():
    url = "postgresql://me:secret@h/db"
    given = Namespace(study="rates.py", preset=None, set=[], seeds=3, margin=None, root="runs", storage=url)
    assert run_command(given) == "bam run rates.py --seeds 3 --storage 'postgresql://me:***@h/db'"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["Hod"], "bam: rates: no row 'Hod'; did you mean 'Hot'?\n"),
        (["zzz"], "bam: rates: no row 'zzz'; known: Cool, Hot\n"),
        (["Hot", "7"], "bam: rates: seed 7: it is asked with seeds 0, 1; --seeds N asks with more\n"),
    ],
)
def test_an_unknown_row_or_seed_is_one_line(here, capsys, argv, message):
    assert main(["explain", "rates.py", *argv]) == 2
    assert capsys.readouterr() == ("", message)
