"""Where W&B and run folders disagree is said run by run, whatever W&B has."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest

from lightning_bam.run_folder.result import flat
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.records.records import gather
from studies.tracking.agreement import agreement
from studies.tracking.description import config_of
from studies.tracking.names import epoch_figures
from studies.tracking.remote import Project, RemoteRun
from tests.studies.conftest import silent, tiny

STUDY = tiny(seeds=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    run_study(STUDY, root, Options(slots=[Slot(1), Slot(1)], wandb="off"), silent)
    return root


class History:
    """W&B's run, as far as it is asked for its history."""

    def __init__(self, lines):
        self.lines = lines

    def history(self, samples, pandas):
        assert pandas is False
        return self.lines[:samples]


class World:
    """Two copies of the runs, here and there, and what W&B has of each."""

    def __init__(self, home, tmp_path):
        self.here, self.there = tmp_path / "here", tmp_path / "there"
        shutil.copytree(home, self.here)
        shutil.copytree(home, self.there)
        self.remote, self.lines = {}, {}
        for record in gather(STUDY, home):
            key = record.run.key
            self.lines[record.row] = [{**epoch_figures(record.run, flat(line)), "_step": 0} for line in record.metrics]
            told = {"key": key, "state": "finished", "has_record": True, "_run": History(self.lines[record.row])}
            self.remote[key] = RemoteRun(config=config_of(record.run) | {"study": "tiny"}, **told)
            vars(self)[record.row] = key

    def disagreements(self):
        """Return what is said of BAM, the other run being alike."""
        found = agreement(STUDY, Project("lab", "p"), self.remote, self.here, self.there)
        if not found.lines:
            assert found.alike == 2
            return ""
        (line,) = found.lines
        assert found.alike == 1
        return line.removeprefix(f"run {self.BAM} ('BAM', seed 0): ")

    def set(self, **changes):
        self.remote[self.BAM] = replace(self.remote[self.BAM], **changes)


@pytest.fixture
def world(home, tmp_path):
    return World(home, tmp_path)


def test_what_is_alike_is_counted(world):
    assert world.disagreements() == ""


def test_where_nothing_is_here_nothing_is_compared(world):
    shutil.rmtree(world.here)
    assert agreement(STUDY, Project("lab", "p"), world.remote, world.here, world.there) is None


def test_a_run_that_one_of_them_lacks(world):
    remote = world.remote.pop(world.BAM)
    assert world.disagreements() == "complete here, not in W&B"
    world.remote[world.BAM] = remote
    shutil.rmtree(world.here / world.BAM)
    assert world.disagreements() == "complete in W&B, not here"
    shutil.rmtree(world.there / world.BAM)
    world.set(has_record=False, state="finished")
    assert world.disagreements() == "finished without a record in W&B, not here"


def test_a_run_that_stands_elsewhere(world):
    (world.here / world.BAM / "result.json").unlink()
    assert world.disagreements() == "complete in W&B, interrupted here"
    shutil.rmtree(world.there / world.BAM)
    world.set(has_record=False, refused="edited")
    assert world.disagreements() == "interrupted here, its record in W&B is edited"


def test_a_folder_that_cannot_be_read(world):
    (world.here / world.BAM / "result.json").write_text("{")
    assert world.disagreements().startswith(f"cannot be read here ({world.here / world.BAM}/result.json: torn or not")


def test_figures(world):
    path = world.there / world.BAM / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"params": 7, "seconds": 0.5}))
    params, seconds = f"params 7 in W&B, {result['params']} here", f"seconds 0.5 in W&B, {result['seconds']} here"
    assert world.disagreements() == f"{params}; {seconds}"


def with_recipe(config, **changes):
    return config | {"recipe": config["recipe"] | changes}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: with_recipe(config, lr=0.2), "config recipe.lr 0.2 in W&B, 0.1 in run.json"),
        (lambda config: with_recipe(config, lr=None), "config recipe.lr None in W&B, 0.1 in run.json"),
        (lambda config: with_recipe(config, more=1), "config recipe.more 1 in W&B, None in run.json"),
        (lambda config: with_recipe(config, **{"a\nb": 1}), r"config recipe.'a\nb' 1 in W&B, None in run.json"),
        (
            lambda config: with_recipe(config, **{"k" * 99: 1}),
            f"config recipe.{'k' * 40} ... 1 in W&B, None in run.json",
        ),
        (lambda config: with_recipe(config, optimizer_options=None), ""),
        (lambda config: config | {"seed": "0"}, "config seed '0' in W&B, 0 in run.json"),
        (
            lambda config: config | {"attention": [[]]},
            "config attention [[]] in W&B, {'kind': 'bam', 'reduction': 4, 'dilatio ... in run.json",
        ),
        (
            lambda config: config | {"dataset": {"kind": "cifar10"}},
            "config dataset.kind 'cifar10' in W&B, 'digits' in run.json",
        ),
        (lambda config: config | {"more": 1}, ""),
    ],
)
def test_config(world, change, told):
    world.set(config=change(world.remote[world.BAM].config))
    assert world.disagreements() == told


def test_many_differences_are_counted(world):
    world.set(config={})
    assert world.disagreements().endswith(" more")
    assert world.disagreements().count(";") == 2


def test_epochs_that_are_missing_doubled_or_too_many(world):
    lines = world.lines["BAM"]
    lines.append(lines[1] | {"epoch": 3})
    assert world.disagreements() == "history in W&B has epoch 3, which metrics.jsonl has not"
    lines[2] = lines[0]
    assert world.disagreements() == "history in W&B has epoch 1 more than once"
    del lines[1:]
    assert world.disagreements() == "history in W&B lacks epoch 2"
    lines.clear()
    assert world.disagreements() == "history in W&B lacks epochs 1, 2"


def test_figures_of_an_epoch(world):
    lines = world.lines["BAM"]
    before = lines[1]["train/loss"]
    lines[1] = lines[1] | {"train/loss": 7.5, "device/epoch_seconds": 99.0, "more": 1}
    assert world.disagreements() == f"epoch 2: train/loss 7.5 in W&B, {before} in metrics.jsonl"
    del lines[1]["train/loss"]
    assert world.disagreements() == f"epoch 2: train/loss None in W&B, {before} in metrics.jsonl"


@pytest.mark.parametrize("epoch", [None, "0", -1, math.nan, math.inf, 10**400, [], {}], ids=range(8))
def test_a_line_of_no_epoch_says_nothing(world, epoch):
    world.lines["BAM"].append({"epoch": epoch, "train/loss": 3})
    assert world.disagreements() == ""
