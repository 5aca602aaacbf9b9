"""Slurm, through submitit: a job array, requeued on pre-emption and when its time is up."""

from __future__ import annotations

import io
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, Field

from lightning_bam.run_folder.files import append_line, read_text, refuse
from studies.cluster.cluster import Cluster, Job, Request
from studies.errors import StudyError
from studies.workers.process_environment import variables

if TYPE_CHECKING:
    from submitit.core.core import PicklingExecutor

    from studies.cluster.worker_job import WorkerJob

PYTHON: Final = f"{shlex.quote(sys.executable)} -P"
"""What submitit starts in a job, in the folder that it was submitted from: nothing is imported from there."""
TIMEOUTS: Final = 1000
"""How often a job may run out of time and be requeued."""
FIELDS: Final = ("JobArrayID", "State", "NodeList", "RestartCnt", "TimeUsed", "Reason")
OURS: Final = {
    "array": "--workers",
    "nodes": "--nodes-per-run",
    "gpus-per-node": "--gpus-per-worker",
    "cpus-per-task": "--cpus-per-worker",
    "time": "--time",
    "partition": "--partition",
    "account": "--account",
    **dict.fromkeys(("signal", "requeue", "no-requeue", "open-mode", "output", "error", "ntasks-per-node"), None),
}
"""sbatch options that have an argument of their own, or None where the requeueing depends on them."""


class Submission(BaseModel):
    """A line of submissions.jsonl; the number of the job becomes a word of a command."""

    job: str = Field(pattern=r"^[0-9]{1,18}$")
    study: str
    workers: int
    submitted: str


class SlurmCluster(Cluster):
    """Slurm, from one of its login nodes."""

    name: ClassVar = "Slurm"
    programs: ClassVar = ("sbatch", "srun")
    notice: ClassVar = 90  # the runs end within a few seconds; Slurm itself may be a minute early

    def script(self, root: Path, request: Request) -> str:
        """Return the script that sbatch would read."""
        executor = self.executor(root, request)
        if request.workers > 1:
            executor.parameters["map_count"] = request.workers
        # submitit shows the script of no job that it does not submit: hence two private names of its, which
        # test_slurm.py compares with what is submitted
        return str(executor._make_submission_file_text(executor._submitit_command_str, ""))

    def executor(self, root: Path, request: Request) -> PicklingExecutor:
        """Return submitit's executor for a request."""
        self.check(root, request)
        from submitit import SlurmExecutor

        executor = SlurmExecutor(folder=self.folder(root), max_num_timeout=TIMEOUTS, python=PYTHON)
        options = {
            "job_name": "bam",
            "time": request.minutes,
            "nodes": request.nodes,
            "ntasks_per_node": 1,
            "cpus_per_task": request.cpus,
            "gpus_per_node": request.gpus or None,
            "partition": request.partition,
            "account": request.account,
            "signal_delay_s": self.notice,
            "array_parallelism": request.workers,
            "stderr_to_stdout": True,
            # since Slurm 22.05 a step no longer inherits its job's cores; one worker, on the first node, starts what
            # the others take part in (`studies.workers.nodes`)
            "srun_args": [f"--cpus-per-task={request.cpus}", "--nodes=1", "--ntasks=1"],
            "additional_parameters": {"requeue": True} | _more(request.more),
        }
        executor.update_parameters(**{name: value for name, value in options.items() if value is not None})
        return executor

    def submit(self, root: Path, study: str, command: list[str], request: Request, storage: str | None = None) -> str:
        """Submit jobs as the class says, whose logs and pickles go to `folder`, and list them there."""
        executor = self.executor(root, request)
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        from studies.cluster.worker_job import STORAGE, WorkerJob

        make_folder(self.folder(root))
        try:
            # submitit prints what the error says, too
            with redirect_stderr(io.StringIO()), variables({} if storage is None else {STORAGE: storage}):
                jobs = self.start(executor, WorkerJob(command, shared=storage is not None), request.workers)
        except (FailedJobError, FailedSubmissionError) as error:
            lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Try ")]
            reason = lines[-1].removeprefix("sbatch: ").removeprefix("error: ") if lines else "sbatch failed"
            raise StudyError(f"{self.name} refuses: {reason}") from None
        numbers = list(dict.fromkeys(str(job.job_id).partition("_")[0] for job in jobs))
        for number in numbers:
            self.note(root, number, study, len(jobs) // len(numbers))
        return numbers[0]

    def start(self, executor: PicklingExecutor, call: WorkerJob, count: int) -> list[Any]:
        """Have submitit submit that many jobs, and return what it knows them by."""
        with executor.batch():
            return [executor.submit(call) for _ in range(count)]

    def note(self, root: Path, job: str, study: str, workers: int) -> None:
        """Append a submission to the list."""
        submitted = datetime.now(UTC).isoformat(timespec="seconds")
        line = Submission(job=job, study=study, workers=workers, submitted=submitted)
        append_line(self.folder(root) / "submissions.jsonl", line.model_dump_json())

    def submissions(self, root: Path) -> dict[str, str]:
        """Return the studies of what was submitted for `root`, by number."""
        try:
            lines = read_text(self.folder(root) / "submissions.jsonl").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        studies = {}
        for line in lines:
            with suppress(ValueError):
                submission = Submission.model_validate_json(line)
                studies[submission.job] = submission.study
        return studies

    def jobs(self, root: Path) -> list[Job]:
        """Return the jobs of `root` that Slurm has not ended; none where there is no Slurm, or it does not answer."""
        studies = self.submissions(root)
        if not studies:
            return []
        columns = ",".join(f"{name}:|" for name in FIELDS)
        command = ["squeue", "--noheader", "--array", f"--Format={columns}", f"--jobs={','.join(studies)}"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        except (OSError, subprocess.SubprocessError):  # no Slurm; or it has forgotten an ended job's number
            return []
        jobs = []
        for line in answer.splitlines():
            job, state, node, count, elapsed, reason = line.split("|")[: len(FIELDS)]
            if study := studies.get(job.partition("_")[0]):
                jobs.append(Job(job, study, state, node, int(count), elapsed, reason))
        return jobs


def make_folder(folder: Path) -> None:
    """Make the folder of the jobs' pickles, which run as code: nobody else may write in it, or have made it."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse(folder, stat.S_IFDIR)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise StudyError(f"{folder}: is another user's, whose files would run in your jobs; give a --root of your own")
    folder.chmod(stat.S_IMODE(status.st_mode) & ~0o022)


def _more(options: Mapping[str, str]) -> dict[str, str | bool]:
    """Return further options as submitit takes them; `StudyError` for one of `OURS`."""
    for name, value in options.items():
        if name in OURS:
            instead = f"use {OURS[name]}" if OURS[name] else "bam sets it, because requeueing depends on it"
            raise StudyError(f"--slurm {name}{'=' * bool(value)}{value}: {instead}")
    return {name: value or True for name, value in options.items()}


CLUSTER = SlurmCluster()
