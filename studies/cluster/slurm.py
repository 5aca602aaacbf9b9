"""Slurm: a job array, requeued on pre-emption and when its time is up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from studies.cluster.cluster import Job, Request
from studies.cluster.submitit_cluster import PYTHON, TIMEOUTS, SubmititCluster
from studies.errors import StudyError

if TYPE_CHECKING:
    from submitit import SlurmExecutor

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


class SlurmCluster(SubmititCluster):
    """Slurm, from one of its login nodes."""

    name: ClassVar = "Slurm"
    programs: ClassVar = ("sbatch", "srun")

    def script(self, root: Path, request: Request) -> str:
        """Return the script that sbatch would read."""
        executor = self.executor(root, request)
        if request.workers > 1:
            executor.parameters["map_count"] = request.workers
        # submitit shows the script of no job that it does not submit: hence two private names of its, which
        # test_slurm.py compares with what is submitted
        text: str = executor._make_submission_file_text(executor._submitit_command_str, "")
        return text

    def executor(self, root: Path, request: Request) -> SlurmExecutor:
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

    def jobs(self, root: Path) -> list[Job]:
        """Return the jobs of `root` that Slurm has not ended; none where there is no Slurm, or it does not answer."""
        studies = self.submissions(root)
        if not studies or not shutil.which("squeue"):
            return []
        columns = ",".join(f"{name}:|" for name in FIELDS)
        command = ["squeue", "--noheader", "--array", f"--Format={columns}", f"--jobs={','.join(studies)}"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        except (OSError, subprocess.SubprocessError):  # Slurm forgets an ended job, and then refuses its number
            return []
        jobs = []
        for line in answer.splitlines():
            job, state, node, requeued, elapsed, reason = line.split("|")[: len(FIELDS)]
            if study := studies.get(job.partition("_")[0]):
                count = int(requeued)
                jobs.append(
                    Job(job=job, study=study, state=state, node=node, requeued=count, elapsed=elapsed, reason=reason)
                )
        return jobs


def _more(options: Mapping[str, str]) -> dict[str, str | bool]:
    """Return further options as submitit takes them.

    Raises:
        StudyError: one that has an argument of its own, or on which the requeueing depends.

    """
    for name, value in options.items():
        if name in OURS:
            instead = f"use {OURS[name]}" if OURS[name] else "bam sets it, because requeueing depends on it"
            raise StudyError(f"--slurm {name}{'=' * bool(value)}{value}: {instead}")
    return {name: value or True for name, value in options.items()}
