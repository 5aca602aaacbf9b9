"""Real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from studies.storage.journal import journal

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(), backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=7, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="mine", question="Does BAM help?", baseline="none", scientific=("attention",), seeds=2,
    rows={"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))},
)
"""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "mine.py"
    path.write_text(STUDY)
    return path


BAM = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]


def words(study_file: Path, root: Path, *more: str) -> list[str]:
    return ["run", str(study_file), "--root", str(root), "--devices", "cpu:2", "--wandb", "off", *more]


def start(study_file: Path, root: Path, *more: str) -> subprocess.Popen:
    command = [*BAM, *words(study_file, root, *more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def wait_until_training(root: Path, epochs: int = 2, limit: float = 90) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if any(len(path.read_text().splitlines()) >= epochs for path in root.glob("*/metrics.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError("nothing was trained in time")


def figures(root: Path) -> dict[str, list]:
    found = {}
    for path in sorted(root.glob("*/metrics.jsonl")):
        assert (path.parent / "result.json").exists()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.parent.name] = [[line[n] for n in ("epoch", "train_loss", "error_top1", "loss")] for line in lines]
    return found


@pytest.fixture(scope="module")
def unbroken(study_file, tmp_path_factory):
    root = tmp_path_factory.mktemp("unbroken")
    assert main(words(study_file, root)) == 0
    found = figures(root)
    assert [len(lines) for lines in found.values()] == [7] * 4
    return found


def assert_gone(processes: list[psutil.Process], limit: float = 10) -> None:
    _, alive = psutil.wait_procs(processes, timeout=limit)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def assert_each_run_is_one_finished_trial(root: Path, keys: dict) -> None:
    trials = optuna.load_study(study_name="mine", storage=journal(root)).get_trials()
    complete = [t.user_attrs["key"] for t in trials if t.state.name == "COMPLETE"]
    assert sorted(complete) == sorted(keys)
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]


@pytest.mark.parametrize("whole_tree", [True, False], ids=["tree", "scheduler"])
def test_kill_9_loses_nothing_and_leaves_nobody(study_file, unbroken, tmp_path, whole_tree):
    first = start(study_file, tmp_path)
    wait_until_training(tmp_path)
    members = family(first.pid)
    for process in members if whole_tree else members[:1]:
        process.kill()
    first.wait(timeout=10)
    assert_gone(members, 15)
    first.communicate(timeout=10)  # they held the pipe
    complete_before = {path.parent.name for path in tmp_path.glob("*/result.json")}
    stamps = {key: (tmp_path / key / "result.json").stat().st_mtime_ns for key in complete_before}
    assert main(words(study_file, tmp_path)) == 0, "the same command goes on"
    assert figures(tmp_path) == unbroken, "a resumed run gives the unbroken run's figures"
    assert stamps == {key: (tmp_path / key / "result.json").stat().st_mtime_ns for key in complete_before}
    attempts = {p.parent.name: json.loads(p.read_text())["attempt"] for p in tmp_path.glob("*/manifest.json")}
    assert max(attempts.values()) == 2, "something was interrupted"
    assert all(attempts[key] == 1 for key in complete_before)
    assert_each_run_is_one_finished_trial(tmp_path, unbroken)


def test_a_stopped_leader_does_not_keep_its_group_alive_without_its_scheduler(study_file, tmp_path):
    """As a debugger, a batch system or a hand at Ctrl-Z leaves one: it cannot see that its scheduler is gone."""
    first = start(study_file, tmp_path, "--devices-per-run", "2")
    wait_until_training(tmp_path, epochs=1)
    members = family(first.pid)
    (leader,) = (process for process in members[1:] if len(process.children()) == 2)
    leader.suspend()
    first.kill()
    first.wait(timeout=10)
    assert_gone(members, 15)
    first.communicate(timeout=10)
    states = [RunFolder(path.parent).state() for path in tmp_path.glob("*/manifest.json")]
    assert "interrupted" in states
    assert "running" not in states


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_ends_every_rank_and_the_next_call_goes_on(study_file, tmp_path, capsys, number):
    process = start(study_file, tmp_path, "--devices-per-run", "2")
    wait_until_training(tmp_path, epochs=1)
    members = family(process.pid)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert out.strip().splitlines()[-1] == "bam: interrupted; the same command goes on from here"
    assert "Traceback" not in out
    assert_gone(members)
    assert main(["status", str(study_file), "--root", str(tmp_path), "--json"]) == 0
    states = [run["state"] for run in json.loads(capsys.readouterr().out)]
    assert "interrupted" in states
    assert set(states) <= {"interrupted", "complete", "missing"}


def test_two_schedulers_train_nothing_twice(study_file, unbroken, tmp_path, capsys):
    processes = [start(study_file, tmp_path), start(study_file, tmp_path)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert not any("Traceback" in out for out in outputs), outputs
    assert all(process.returncode in (0, 1) for process in processes), outputs
    assert figures(tmp_path) == unbroken
    attempts = [json.loads(p.read_text())["attempt"] for p in tmp_path.glob("*/manifest.json")]
    assert attempts == [1] * 4, outputs
    assert main(words(study_file, tmp_path)) == 0
    assert capsys.readouterr().err.startswith("mine: 4 of 4 runs complete, 0 of them now\n")
    assert_each_run_is_one_finished_trial(tmp_path, unbroken)
