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
from tests.analysis.synthetic import finish

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
    given.usual_root = "runs"
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


class TestAgainst:
    @pytest.fixture
    def rows(self, tmp_path, monkeypatch):
        """Be in a folder with four seeds of two rows, whose figures and gates are known."""
        monkeypatch.chdir(tmp_path)
        study = find_study("reduction")
        gates = {"none": {}, "r=4": {"layer1": {"mean": 0.5, "saturated": 0.25}}}
        for (row, run), error in zip(
            (cell for cell in study.with_seeds(3).runs() if cell.row in gates),
            (20, 19, 21, 19.5, 22, 20.75),
            strict=True,
        ):
            folder = finish(Path("runs"), run, error)
            lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
            lines[-1] |= {"gates": gates[row]} if gates[row] else {}
            (folder.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def explain(self, capsys, *argv, code=0):
        capsys.readouterr()
        assert main(["explain", "reduction", "r=4", "--seeds", "3", "--against", *argv]) == code
        return capsys.readouterr()

    def test_pairs_curves_and_saturation(self, rows, capsys):
        found = json.loads(self.explain(capsys, "none", "--json").out)
        assert found["pairs"] == {"0": [19.0, 20.0], "1": [19.5, 21.0], "2": [20.75, 22.0]}
        assert found["delta"]["mean"] == pytest.approx(-1.25)
        assert found["curves"] == [[0, 60.0, 60.0], [1, pytest.approx(59.25 / 3), 21.0]]
        assert found["gates"] == {"layer1": [0.25, None]}
        lines = [" ".join(line.split()) for line in self.explain(capsys, "None").out.splitlines()]
        assert lines[0].startswith("r=4 against none: Δ −1.25 [")
        assert lines[2:] == [
            "error (%) r=4 none Δ",
            "seed 0 19.00 20.00 −1.00",
            "seed 1 19.50 21.00 −1.50",
            "seed 2 20.75 22.00 −1.25",
            "mean after epoch 0 60.00 60.00 0.00",
            "mean after epoch 1 19.75 21.00 −1.25",
            "",
            "gate saturated (%) r=4 none",
            "layer1 25.0 -",
        ]

    def test_it_says_what_the_table_says(self, rows, capsys):
        found = json.loads(self.explain(capsys, "none", "--json").out)
        assert main(["table", "reduction", "--seeds", "3", "--format", "json"]) == 0
        (row,) = [row for row in json.loads(capsys.readouterr().out)["rows"] if row["label"] == "r=4"]
        assert (found["p"], found["verdict"], found["delta"]) == (row["p_adjusted"], row["verdict"], row["delta"])

    def test_rows_without_a_run_have_no_pairs(self, rows, capsys):
        found = json.loads(self.explain(capsys, "r=8", "--json").out)
        assert (found["pairs"], found["delta"], found["curves"]) == ({}, None, [])

    @pytest.mark.parametrize(
        ("argv", "line"),
        [
            (["r=4"], "--against r=4: is the row itself"),
            (["r=5"], "reduction: no row 'r=5'; did you mean 'r=8'?"),
        ],
    )
    def test_what_is_no_pair_is_refused(self, rows, capsys, argv, line):
        assert self.explain(capsys, *argv, code=2).err.startswith(f"bam: {line.partition(';')[0]}")

    def test_one_seed_is_no_comparison(self, rows, capsys):
        assert main(["explain", "reduction", "r=4", "1", "--against", "none"]) == 2
        assert "compares all seeds; leave seed 1 out" in capsys.readouterr().err
