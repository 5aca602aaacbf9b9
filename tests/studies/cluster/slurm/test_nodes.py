"""Runs over two nodes: steps of a Slurm job on a cluster that this machine plays, one CPU rank a node."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import TIMES
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.library import find_study
from studies.records.records import gather
from tests.studies.cluster.contract import until as soon
from tests.studies.cluster.slurm import cluster
from tests.studies.cluster.slurm.test_submit import working
from tests.studies.conftest import silent, tiny

LONG = 400.0
"""Seconds that a step may take to come to something: each of its tasks loads torch, on the two cores of all."""
STUDY = """
from dataclasses import replace
from lightning_bam import AttentionSpec, Digits, Recipe, Run, SmallResNet, spec
from studies import Study

@spec
class OwnConv(AttentionSpec):  # which each node has to find, too
    def build(self, channels):
        from torch import nn
        return nn.Conv2d(channels, channels, 3, padding=1)

calm = Run(
    dataset=Digits(), backbone=SmallResNet(width=4), attention=OwnConv(),
    recipe=Recipe(epochs=12, batch_size=64, lr=0.1, schedule="cosine", crop_padding=0, flip=False),
)
wild = replace(calm, recipe=replace(calm.recipe, lr=1e30))
STUDY = Study(
    name="nodes", question="Do two nodes train as one?", seeds=1, rows={"calm": calm, "wild": wild}, baseline="calm",
    scientific=("recipe.lr",),
)
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return the study of the file that is submitted."""
    (tmp_path / "nodes.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "runs"))
    return find_study(str(tmp_path / "nodes.py"))


def figures(study, root):
    """Return the epochs of the study's first row, but for their times."""
    return [line | dict.fromkeys(TIMES) for line in gather(study, root)[0].metrics]


def rank_of(root, number):
    """Return the process of a rank that trains the first row, once there is an epoch."""
    for process in working(root):
        with suppress(psutil.Error, OSError):
            log = os.readlink(f"/proc/{process.pid}/fd/1")  # noqa: PTH115
            folder, _, name = log.rpartition("/")
            with open(f"{folder}/metrics.jsonl") as metrics:  # noqa: PTH123
                if name == f"rank{number}.log" and metrics.read().count("\n") > 1:
                    return process
    return None


def until(true, limit=LONG, step=0.2):
    return soon(true, limit, step)


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_two_nodes_train_as_one_and_survive_what_is_killed(slurm, study, tmp_path, capsys):
    """A rank on the second node is killed, then the worker: the figures are those of one node with two ranks."""
    root = tmp_path / "runs"
    assert main(["submit", "nodes.py", "--nodes-per-run", "2", "--wandb", "off"]) == 0
    assert ", 1 worker for 2 runs; " in capsys.readouterr().err
    until(lambda: rank_of(root, 1)).kill()
    calm, wild = (RunFolder.of(root, run) for run in study.rows.values())
    until(lambda: len(made := calm.manifest().attempts) == 2 and made[-1].from_epoch is not None)
    before = until(lambda: rank_of(root, 0))
    workers = [one for one in working(root) if "--nodes-per-run=2" in one.cmdline() and "worker" in one.cmdline()]
    workers[0].kill()
    seen = [(calm.state(), alive(before))]
    until(lambda: seen.append((calm.state(), alive(before))) or not seen[-1][1], limit=90, step=0.02)
    # a process that has been killed, and can write no more, takes a moment to go
    assert seen.count(("interrupted", True)) < 150, "nobody may take the run while a rank writes its folder"
    until(lambda: cluster.ask(slurm, "squeue", "--noheader") == [])

    alone = tmp_path / "alone"
    only = replace(study, rows={"calm": study.rows["calm"]}, scientific=())
    run_study(only, alone, Options(slots=[Slot(2)], wandb="off"), silent)
    assert figures(study, root) == figures(only, alone)
    manifest = calm.manifest()
    assert (manifest.state, manifest.world_size, len(manifest.attempts)) == ("complete", 2, 3)
    assert all(attempt.from_epoch >= 1 for attempt in manifest.attempts[1:]), "each went on"
    assert {"rank0.log", "rank1.log", "launcher.log", "launcher1.log"} <= {one.name for one in calm.path.iterdir()}
    assert (wild.state(), wild.manifest().cause) == ("failed", "nan")
    assert "training loss is nan" in wild.manifest().error
    until(lambda: working(root) == [], limit=90)


def test_a_run_over_nodes_leaves_a_checkpoint_when_its_worker_is_told_to_leave(slurm, study, tmp_path):
    root = tmp_path / "runs"
    assert main(["submit", "nodes.py", "--nodes-per-run", "2", "--wandb", "off"]) == 0
    until(lambda: rank_of(root, 1))
    worker = next(one for one in working(root) if "--nodes-per-run=2" in one.cmdline() and "worker" in one.cmdline())
    told = time.time()
    worker.send_signal(signal.SIGTERM)
    folder = RunFolder.of(root, study.rows["calm"])
    until(lambda: folder.state() == "interrupted", limit=90)
    assert folder.manifest().cause == "stopped by signal 15"
    assert folder.checkpoint.stat().st_mtime > told, "in the middle of an epoch, too"
    cluster.ask(slurm, "scancel", "--user=root")
    until(lambda: working(root) == [], limit=90)


@pytest.mark.parametrize(
    ("variable", "here"), [(None, "no Slurm job"), ("1", "a Slurm job of 1 node"), ("x", "a Slurm job of x nodes")]
)
def test_a_worker_outside_a_job_of_so_many_nodes_is_refused(variable, here, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    if variable:
        monkeypatch.setenv("SLURM_JOB_NUM_NODES", variable)
    assert main(["worker", "quickstart", "--root", str(tmp_path), "--nodes-per-run", "2"]) == 2
    said = f"bam: --nodes-per-run 2: this is {here}; `bam submit --nodes-per-run 2` starts one\n"
    assert capsys.readouterr().err == said


def test_a_batch_that_all_ranks_cannot_share_is_refused_before_anything_starts(tmp_path):
    study = tiny(seeds=1)
    rows = {label: replace(run, recipe=replace(run.recipe, batch_size=62)) for label, run in study.rows.items()}
    with pytest.raises(Exception, match="62"):
        run_study(tiny(seeds=1, rows=rows), tmp_path, Options(slots=[Slot(2, nodes=2)], wandb="off"), silent)
    assert RunFolder.of(tmp_path, next(iter(rows.values()))).state() == "missing"
