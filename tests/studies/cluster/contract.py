"""What every cluster promises; the tests of each inherit it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from studies.cluster.cluster import Request
from studies.cluster.worker_job import TIMEOUT
from studies.errors import StudyError

WORKER = """
import json, os, pathlib, signal, sys, time

def end(*_):
    time.sleep(0.2)
    (folder / "checkpoint").touch()
    sys.exit(130)

folder = pathlib.Path(sys.argv[1])
start = "requeued" if (folder / "checkpoint").exists() else "first"
signal.signal(signal.SIGTERM, end)
(folder / "new").write_text(json.dumps({"argv": sys.argv, "storage": os.environ.get("BAM_STORAGE")}))
(folder / "new").rename(folder / start)
while not (folder / "end").exists():
    time.sleep(0.05)
"""
"""In the place of `bam worker`: it trains until there is a file `end`."""
STORAGE = "postgresql://me:secret@host/database"


def until(true, limit=120.0, step=0.2):
    """Wait until `true()`, and return it."""
    deadline = time.monotonic() + limit
    while not (found := true()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(step)
    return found


class ClusterContract:
    cluster: ClassVar[Any]

    def give_notice(self, job):
        """Give a job its notice, as the cluster does before its time is up."""
        raise NotImplementedError

    def cancel(self, job):
        """End a job for good."""
        raise NotImplementedError

    @pytest.fixture
    def running(self):
        """Provide a cluster that runs jobs."""

    @pytest.fixture
    def submit(self, running, tmp_path, monkeypatch):
        """Return what submits a worker from a folder in which no job looks for modules, to a root relative to it."""
        for name in ("json", "random", "studies", "submitit"):
            (tmp_path / f"{name}.py").write_text("raise RuntimeError(__name__ + ' of the working directory')\n")
        (tmp_path / "worker").write_text(WORKER)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("BAM_STORAGE", raising=False)
        command = [sys.executable, "-P", str(tmp_path / "worker"), str(tmp_path)]
        submitted = []

        def submit(storage=None):
            submitted.append(self.cluster.submit(Path("runs"), "tiny", command, Request(workers=1), storage))
            return submitted[-1]

        yield submit
        for job in submitted:
            if self.jobs(tmp_path):
                self.cancel(job)
        until(lambda: self.jobs(tmp_path) == [])

    def jobs(self, tmp_path):
        return [job for job in self.cluster.jobs(tmp_path / "runs") if job.state != "COMPLETING"]

    def test_a_job_is_listed_while_it_runs_and_has_the_storage_in_its_environment_only(self, submit, tmp_path):
        number = submit(STORAGE)
        until((tmp_path / "first").exists)
        started = json.loads((tmp_path / "first").read_text())
        assert started == {"argv": [str(tmp_path / "worker"), str(tmp_path)], "storage": STORAGE}
        assert "BAM_STORAGE" not in os.environ
        (job,) = self.jobs(tmp_path)
        assert (job.job, job.study, job.state, job.requeued) == (number, "tiny", "RUNNING", 0)
        assert job.node
        (tmp_path / "end").touch()
        until(lambda: self.jobs(tmp_path) == [])
        assert not (tmp_path / "checkpoint").exists()
        files = [path for path in self.cluster.folder(tmp_path / "runs").rglob("*") if path.is_file()]
        assert any(str(tmp_path / "worker") in path.read_text(errors="replace") for path in files), "the log is there"
        assert not [path for path in files if "secret" in path.read_text(errors="replace")]

    def test_a_job_that_gets_notice_leaves_a_checkpoint_and_is_requeued(self, submit, tmp_path):
        number = submit()
        until((tmp_path / "first").exists)
        begun = time.monotonic()
        self.give_notice(number)
        until((tmp_path / "checkpoint").exists, limit=self.cluster.notice)
        assert time.monotonic() - begun < 20
        until((tmp_path / "requeued").exists)
        (job,) = self.jobs(tmp_path)
        assert (job.job, job.requeued) == (number, 1)
        (tmp_path / "end").touch()
        until(lambda: self.jobs(tmp_path) == [])

    def test_a_worker_has_less_time_to_end_than_its_job(self):
        assert self.cluster.notice > TIMEOUT + 20, "SIGKILL and submitit's requeueing take some"

    @pytest.mark.parametrize(
        "more", [{"partition": "gpu\nrm -rf ~"}, {"account": "me\x1b"}, {"more": {"mem": "1G\nid"}}]
    )
    def test_no_line_of_a_job_is_another_ones_value(self, tmp_path, more):
        refused = r"--\w+ '.*\\.*': cannot stand in a job's script; leave out what is no printable sign$"
        with pytest.raises(StudyError, match=refused):
            self.cluster.script(tmp_path, Request(workers=1, **more))
        with pytest.raises(StudyError, match=refused):
            self.cluster.submit(tmp_path, "tiny", ["worker"], Request(workers=1, **more))

    def test_no_line_of_a_job_is_a_part_of_the_roots_name(self, tmp_path):
        with pytest.raises(StudyError, match=r"--root '.*\\n.*': cannot stand in a job's script"):
            self.cluster.script(tmp_path / "a\nid", Request(workers=1))

    def test_a_machine_without_its_programs_is_refused_in_one_line(self, tmp_path, monkeypatch):
        monkeypatch.setattr(self.cluster, "programs", ("no-such-program",))
        refused = f"no {self.cluster.name} here: no-such-program is not installed; .*, or start workers by hand"
        with pytest.raises(StudyError, match=refused):
            self.cluster.submit(tmp_path, "tiny", ["worker"], Request(workers=1))
        assert self.cluster.missing() == ["no-such-program"]
        assert list(tmp_path.iterdir()) == []
