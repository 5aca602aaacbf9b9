"""`bam diff`: two runs side by side."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from tests.analysis.cli.test_list import RUN
from tests.analysis.synthetic import finish, interrupt


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("runs")


def diff(capsys, first, second, code=1):
    capsys.readouterr()
    assert main(["diff", first, second, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_everything_that_differs_and_nothing_else(root, capsys):
    hot = replace(RUN, recipe=replace(RUN.recipe, lr=0.5))
    first, second = finish(root, RUN, 20.0, loss=2.0), finish(root, hot, 21.5, loss=2.5, torch="2.12.0")
    found = diff(capsys, RUN.key, hot.key[:7])
    assert found["runs"] == [RUN.key, hot.key]
    assert found["config"] == {"recipe.lr": [RUN.recipe.lr, 0.5]}
    assert found["environment"] == {"torch": ["2.11.0", "2.12.0"]}
    assert found["figures"]["error_top1"] == [20.0, 21.5]
    assert (found["metric"], found["epochs"]) == ("error_top1", [[60.0, 60.0], [20.0, 21.5]])
    assert found["parting"] == [0, "train_loss", [2.0, 2.5]]
    assert main(["diff", str(first.path), str(second.path)]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "recipe.lr 0.1 0.5" in lines
    assert "torch (figures may differ) 2.11.0 2.12.0" in lines
    assert "error_top1 20 21.5 +1.50" in lines
    assert "correct_top1 64000 62800 -1200" in lines
    assert "epochs part at epoch 0: train_loss is 2.0 and 2.5" in lines
    assert lines[-2:] == ["0 60.00 60.00", "1 20.00 21.50 +1.50"]


def test_a_run_and_its_copy_are_equal(root, capsys):
    finish(root, RUN, 20.0)
    shutil.copytree(root, "elsewhere")
    found = diff(capsys, RUN.key, f"elsewhere/{RUN.key}", code=0)
    assert (found["config"], found["environment"], found["parting"], found["equal"]) == ({}, {}, None, True)


def test_a_run_that_is_not_complete_is_compared_as_far_as_it_is(root, capsys):
    finish(root, RUN, 20.0, loss=2.5)
    other = replace(RUN, seed=1)
    interrupt(root, other, "interrupted")
    found = diff(capsys, RUN.key, other.key)
    assert found["states"] == ["complete", "interrupted"]
    assert found["epochs"] == [[60.0, 70.0], [20.0, None]]
    assert found["figures"]["error_top1"] == [20.0, None]
    assert main(["diff", RUN.key, other.key]) == 1
    assert "1 20.00 -" in " ".join(capsys.readouterr().out.split())


def test_of_many_epochs_some_are_shown(root, capsys):
    folder, other = RunFolder.of(root, RUN), RunFolder.of(root, replace(RUN, seed=1))
    for one, run in ((folder, RUN), (other, replace(RUN, seed=1))):
        one.describe(run)
        for epoch in range(200):
            one.append_epoch({"epoch": epoch, "error_top1": 50.0})
    assert main(["diff", RUN.key, replace(RUN, seed=1).key]) == 1
    epochs = [int(line.split()[0]) for line in capsys.readouterr().out.splitlines() if line.strip()[:1].isdigit()]
    assert epochs == [0, 18, 36, 54, 72, 90, 109, 127, 145, 163, 181, 199]


def test_no_run_is_one_line(root, capsys):
    finish(root, RUN, 20.0)
    assert main(["diff", RUN.key, "fffff"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
