"""What stands between `bam table` and a wrong conclusion, on real runs: its notes, refusals and exit codes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pytorch_lightning.loggers.logger import DummyLogger

from analysis.cli import main
from lightning_bam.config import to_dict
from lightning_bam.run_folder.folder import SCHEMA, RunFolder
from lightning_bam.training.train import train
from studies.library import find_study

DILATIONS = '''"""Does the spatial branch need more context than there is?"""
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="dilations",
    question="Does the spatial branch need more context than there is?",
    rows={f"d={d}": replace(base, attention=BAMSpec(reduction=4, dilation=d)) for d in (1, 8, 9)},
    baseline="d=1",
    scientific=("attention.dilation",),
    seeds=2,
)
'''
"""On images of 8 x 8 a tap 8 or 9 positions away reads padding alone: d=9 changes nothing over d=8."""

ROOT = Path("runs")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the study, run once."""
    home = tmp_path_factory.mktemp("user")
    (home / "dilations.py").write_text(DILATIONS)
    where = ["--root", str(home / "runs"), "--devices", "cpu:2", "--wandb", "off"]
    assert main(["run", str(home / "dilations.py"), *where]) == 0
    return home


@pytest.fixture
def own(workplace, tmp_path, monkeypatch):
    """A copy of it, as the working directory; returns the study."""
    shutil.copytree(workplace, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    monkeypatch.setenv("COLUMNS", "100")
    return find_study("dilations.py")


def folder_of(study, row, seed):
    return RunFolder.of(ROOT, replace(study.rows[row], seed=seed))


def table(capsys, *argv):
    """Return how `bam table` exits, its text on one line, and what it says on stderr."""
    capsys.readouterr()
    code = main(["table", "dilations.py", *argv])
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), err


def describe(folder, run):
    """Let a folder's run.json say that it is of this run."""
    (folder.path / "run.json").write_text(json.dumps({"schema": SCHEMA, "key": run.key, "run": to_dict(run)}))


def test_an_ablation_that_changed_nothing_is_named(own, capsys):
    code, text, err = table(capsys, "--strict")
    assert (code, err) == (0, "")
    assert "· Row 'd=9' computed exactly what row 'd=8' did: the change changed nothing." in text
    assert text.count("changed nothing") == 1
    firsts = {row: [folder_of(own, row, seed).manifest().first_loss for seed in (0, 1)] for row in own.rows}
    assert firsts["d=8"] == firsts["d=9"] != firsts["d=1"]


def test_it_is_named_after_one_epoch_and_asked_about_after_one_step(own, capsys):
    for row in ("d=8", "d=9"):
        for seed in (0, 1):
            folder = folder_of(own, row, seed)
            (folder.path / "result.json").unlink()
            folder.note(state="running")
            folder.keep_epochs(1)
    told = "· Row 'd=9' computed exactly what row 'd=8' did as far as they are trained: the change changed nothing."
    assert told in table(capsys)[1]
    for row in ("d=8", "d=9"):
        for seed in (0, 1):
            folder_of(own, row, seed).keep_epochs(0)
    asked = "· Row 'd=9': same counts and same first-step loss as row 'd=8': does the change act at all?"
    assert asked in table(capsys)[1]


def test_mixing_two_commits_is_marked_and_strictly_refused(own, capsys):
    folder = folder_of(own, "d=8", 1)
    here = folder.manifest().commit
    _, before, _ = table(capsys)
    folder.note(attempts=[folder.manifest().entries["attempts"][0] | {"commit": "0123456789ab"}])
    code, text, _ = table(capsys)
    assert code == 0
    shown = here or "not recorded"
    assert f"ᵃ commit 0123456789ab ({'not' if here else 'most'} {shown}): 1 of 2 runs of 'd=8' (seed 1)." in text
    assert text.count("(2)ᵃ") == 1
    assert "(2)ᵃ" not in before
    assert table(capsys, "--strict")[0] == 3
    assert table(capsys, "--strict", "--only", "row=d=9")[0] == 0, "not among these runs"


def test_other_devices_are_marked_and_no_more(own, capsys):
    folder = folder_of(own, "d=1", 0)
    folder.note(attempts=[folder.manifest().entries["attempts"][0] | {"device": "NVIDIA H200", "cpu": "AVX9"}])
    code, text, _ = table(capsys, "--strict")
    assert code == 0
    assert "ᵃ device NVIDIA H200 (not cpu), CPU instructions AVX9 (not " in text
    assert "): 1 of 2 runs of 'd=1' (seed 0)." in text


def test_rows_that_differ_in_more_than_the_factor_are_refused(own, capsys):
    text = Path("dilations.py").read_text()
    Path("dilations.py").write_text(
        text.replace("for d in (1, 8, 9)}", 'for d in (1, 8, 9)} | {"lr": replace(base, recipe=replace(R, lr=0.2))}')
        .replace("STUDY =", "R = base.recipe\nSTUDY =")
        .replace('("attention.dilation",)', '("attention", "attention.dilation")')
    )
    assert table(capsys) == (
        2,
        "",
        "bam: dilations.py, line 12: dilations: rows 'd=1' and 'lr' differ in recipe.lr (0.1 and 0.2), which is not "
        "under question; make them equal or name it in `scientific`\n",
    )


def test_a_changed_recipe_is_refused(own, capsys):
    folder = folder_of(own, "d=8", 1)
    data = json.loads((folder.path / "run.json").read_text())
    data["run"]["recipe"]["lr"] = 0.2
    (folder.path / "run.json").write_text(json.dumps(data))
    changed = replace(own.rows["d=8"], seed=1, recipe=replace(own.rows["d=8"].recipe, lr=0.2))
    assert table(capsys) == (
        2,
        "",
        f"bam: {folder.path}/run.json: says key '{folder.path.name}' but describes run {changed.key}: edited, or "
        "written by another version; use another --root or remove the folder\n",
    )
    describe(folder, changed)
    assert table(capsys) == (
        2,
        "",
        f"bam: {folder.path}/run.json describes run {changed.key}, expected {folder.path.name}; remove a copy\n",
    )


def test_a_copied_run_folder_is_refused(own, capsys):
    source, target = folder_of(own, "d=8", 0), folder_of(own, "d=8", 1)
    shutil.rmtree(target.path)
    shutil.copytree(source.path, target.path)
    code, out, err = table(capsys)
    assert (code, out) == (2, "")
    name, key = target.path.name, source.path.name
    assert err == f"bam: {target.path}/run.json describes run {key}, expected {name}; remove a copy\n"
    describe(target, replace(own.rows["d=8"], seed=1))
    assert table(capsys)[2] == (
        f"bam: {target.path}/manifest.json: is of run {key}, not of {name}: copied from there? remove this run folder "
        "to train it again\n"
    )
    target.note(key=name)
    code, out, err = table(capsys)
    assert (code, out) == (2, "")
    assert err == (
        f"bam: {target.path} ('d=8', seed 1): metrics.jsonl is identical to that of {source.path} ('d=8', seed 0), "
        "though another seed is another order of the data: copied? remove the copy to train it again\n"
    )
    shutil.rmtree(target.path)
    assert main(["run", "dilations.py", "--devices", "cpu:1", "--wandb", "off"]) == 0
    assert table(capsys, "--strict")[0] == 0


class AsksAfterTheFirstEpoch(DummyLogger):
    """A pruner."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def log_metrics(self, metrics, step):
        self.folder.request_stop("worse than the others")


def test_a_pruned_run_does_not_enter(own, capsys):
    whole = json.loads(render_json(capsys))["rows"][1]
    folder = folder_of(own, "d=8", 1)
    shutil.rmtree(folder.path)
    folder.describe(replace(own.rows["d=8"], seed=1))
    assert train(folder, logger=AsksAfterTheFirstEpoch(folder)) is None
    assert (folder.state(), len(folder.metrics())) == ("pruned", 1)
    row = json.loads(render_json(capsys))["rows"][1]
    assert (row["n"], row["states"], row["errors"]) == (1, {"pruned": 1}, {"0": whole["errors"]["0"]})
    code, text, _ = table(capsys, "--strict")
    assert code == 3
    assert "5 of 6 runs are complete, 1 pruned." in text


def render_json(capsys):
    """Return `bam table --format json`."""
    capsys.readouterr()
    assert main(["table", "dilations.py", "--format", "json"]) == 0
    return capsys.readouterr().out


def test_a_search_run_does_not_enter(own, capsys):
    """Scored on held-out data: beside the study's runs it is not seen, in the place of one it is refused."""
    searched = replace(own.rows["d=8"], seed=1, score_on="held_out")
    source, target = RunFolder.of(ROOT, searched), folder_of(own, "d=8", 1)
    before = render_json(capsys)
    source.describe(searched)
    assert train(source) is not None
    assert render_json(capsys) == before
    shutil.rmtree(target.path)
    shutil.copytree(source.path, target.path)
    said = f"bam: {target.path}/run.json describes run {searched.key}, expected {target.path.name}; remove a copy\n"
    assert table(capsys) == (2, "", said)
    describe(target, replace(searched, score_on="test"))
    assert table(capsys)[2].startswith(f"bam: {target.path}/manifest.json: is of run {searched.key}, not of ")
