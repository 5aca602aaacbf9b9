"""Jobs of a real Slurm cluster, and the scripts for one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from studies.cluster.cluster import Request
from studies.cluster.slurm import SlurmCluster
from tests.studies.cluster.contract import ClusterContract


class TestSlurmCluster(ClusterContract):
    cluster = SlurmCluster()

    @pytest.fixture
    def running(self, slurm):
        """Start a cluster."""

    def give_notice(self, job):
        subprocess.run(["scancel", "--signal=USR2", job], check=True)

    def cancel(self, job):
        subprocess.run(["scancel", job], check=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_dry_run_shows_what_submitit_submits(workers, tmp_path, monkeypatch):
    """It goes by private names of submitit: a version without them fails here, also where there is no Slurm."""
    for program in SlurmCluster.programs:
        (tmp_path / program).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    slurm, request = SlurmCluster(), Request(workers=workers, gpus=2, partition="gpu", more={"mem": "2G"})
    script = slurm.script(tmp_path / "a root", request)
    assert not (tmp_path / "a root").exists()
    assert slurm.submit(tmp_path / "a root", "tiny", ["worker"], request) == "7"
    assert Path(slurm.folder(tmp_path / "a root"), "7_submission.sh").read_text() == script
    assert ("#SBATCH --array=0-2%3" in script.splitlines()) == (workers > 1)
