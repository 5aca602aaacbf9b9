"""A cluster that is not Slurm: one class, and one line of `CLUSTERS`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import ClassVar

import pytest

from analysis.cli import main
from studies import cluster as clusters
from studies.cluster import submission_cluster
from studies.cluster.cluster import Cluster, Job
from studies.cluster.slurm import SlurmCluster

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Run, SmallResNet
from studies import Study

base = Run(dataset=Digits(), backbone=SmallResNet(width=4))
STUDY = Study(
    name="mine", question="Does BAM help?", baseline="none", scientific=("attention",), seeds=1,
    rows={"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))},
)
"""


class Grid(Cluster):
    name: ClassVar = "Grid"
    notice: ClassVar = 90

    def __init__(self):
        self.submitted = []

    def script(self, root, request):
        return f"grid {request.workers}"

    def submit(self, root, study, command, request, storage=None):
        self.submitted.append((study, command, request.workers))
        return "5"

    def jobs(self, root):
        return [
            Job(job="5", study="mine", state="WAITING", node="", requeued=2, elapsed="0:00", reason="full")
            for _ in self.submitted
        ]


@pytest.fixture
def grid(monkeypatch):
    """Return a cluster that is known beside Slurm."""
    grid = Grid()
    monkeypatch.setattr(clusters, "CLUSTERS", (*clusters.CLUSTERS, grid))
    return grid


def test_submit_goes_to_the_cluster_that_is_here_and_status_lists_its_jobs(grid, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STUDY)
    assert main(["submit", "mine.py", "--workers", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out == "grid 2\n"
    assert main(["submit", "mine.py", "--workers", "2"]) == 0
    assert capsys.readouterr().err == f"mine: job 5, 2 workers for 2 runs; logs in {tmp_path}/runs/grid\n"
    ((study, command, workers),) = grid.submitted
    assert (study, workers) == ("mine", 2)
    assert command[4:8] == ["worker", str(tmp_path / "mine.py"), f"--root={tmp_path}/runs", "--devices=cpu:1"]
    assert main(["status", "mine.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Grid job 5  mine  1 waiting (full); requeued 2 times"
    assert main(["status", "mine.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1] == asdict(grid.jobs(tmp_path)[0])


def test_slurm_is_asked_first_and_says_what_is_missing(grid, tmp_path, monkeypatch):
    monkeypatch.setattr(Grid, "programs", ("gridctl",))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert submission_cluster() is clusters.CLUSTERS[0]
    (tmp_path / "gridctl").touch(mode=0o755)
    assert submission_cluster() is grid
    for program in SlurmCluster.programs:
        (tmp_path / program).touch(mode=0o755)
    assert submission_cluster() is clusters.CLUSTERS[0]
