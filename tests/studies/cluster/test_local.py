"""Workers as processes of this machine."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from studies.cluster.cluster import Request
from studies.errors import StudyError
from tests.studies.cluster.contract import ClusterContract
from tests.studies.cluster.local import LocalCluster


class TestLocalCluster(ClusterContract):
    cluster = LocalCluster()

    def give_notice(self, job):
        (child,) = psutil.Process(int(job)).children()
        child.send_signal(signal.SIGUSR2)

    def cancel(self, job):
        psutil.Process(int(job)).terminate()

    def test_a_number_that_is_another_process_by_now_is_no_job(self, tmp_path):
        self.cluster.folder(tmp_path).mkdir()
        for number in (os.getpid(), 10**17):
            self.cluster.note(tmp_path, str(number), "tiny", 1)
        assert self.cluster.jobs(tmp_path) == []

    def test_it_has_neither_nodes_nor_a_queue(self, tmp_path):
        for more in ({"nodes": 2}, {"partition": "gpu"}, {"more": {"mem": "2G"}}):
            with pytest.raises(StudyError, match="this machine is one node with no queue"):
                self.cluster.script(tmp_path, Request(workers=1, **more))
        assert self.cluster.script(tmp_path, Request(workers=1)) == ""
