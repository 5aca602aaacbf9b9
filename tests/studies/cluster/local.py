"""This machine as a cluster without a queue: each job is a process."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from studies.cluster.cluster import Job, Request
from studies.cluster.slurm import PYTHON, TIMEOUTS, SlurmCluster
from studies.errors import StudyError
from studies.workers.process_environment import variables

if TYPE_CHECKING:
    from submitit import LocalExecutor
    from submitit.core.core import PicklingExecutor

    from studies.cluster.worker_job import WorkerJob


class LocalCluster(SlurmCluster):
    """Processes of this machine, which submitit requeues five times; the number of a job is that of its process."""

    name: ClassVar = "Local"
    programs: ClassVar = ()

    def __init__(self) -> None:
        self.started: list[Any] = []

    def script(self, root: Path, request: Request) -> str:
        """Return nothing: submitit starts a local job without a script."""
        self.executor(root, request)
        return ""

    def executor(self, root: Path, request: Request) -> LocalExecutor:
        """Return submitit's executor for a request."""
        self.check(root, request)
        if request.nodes > 1 or request.partition or request.account or request.more:
            raise StudyError(
                "this machine is one node with no queue: leave out --nodes-per-run, --partition, --account and --slurm"
            )
        from submitit import LocalExecutor

        executor = LocalExecutor(folder=self.folder(root), max_num_timeout=TIMEOUTS, python=PYTHON)
        executor.update_parameters(
            timeout_min=request.minutes,
            gpus_per_node=request.gpus,
            signal_delay_s=self.notice,
            stderr_to_stdout=True,
        )
        return executor

    def start(self, executor: PicklingExecutor, call: WorkerJob, count: int) -> list[Any]:
        """Have submitit start that many processes, and keep them: a process that is dropped while it runs warns."""
        with variables({"PYTHONSAFEPATH": "1"}):  # submitit starts the parent of a job without -P
            jobs = super().start(executor, call, count)
        self.started += jobs
        return jobs

    def jobs(self, root: Path) -> list[Job]:
        """Return the jobs of `root` whose processes run on this machine."""
        self.started = [job for job in self.started if not job.done()]
        folder, jobs = self.folder(root), []
        for number, study in self.submissions(root).items():
            with suppress(psutil.Error, OverflowError):
                process = psutil.Process(int(number))
                if str(folder) not in process.cmdline():  # its number is another process's by now
                    continue
                log = folder / f"{number}_0_log.out"
                jobs.append(
                    Job(
                        job=number,
                        study=study,
                        state="RUNNING",
                        node=platform.node(),
                        requeued=log.read_text().count(f"Requeued job {number} ") if log.exists() else 0,
                        elapsed=str(timedelta(seconds=int(time.time() - process.create_time()))),
                        reason="None",
                    )
                )
        return jobs
