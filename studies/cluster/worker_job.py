"""What one job of submitit does: it runs a `bam worker`, and ends it in time when the cluster wants the node back."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

TIMEOUT: Final = 60.0
"""Seconds that a worker gets to end its runs, fewer than a cluster's `notice`."""
STARTS: Final = 4
"""How often one job starts a worker that the machine keeps killing."""
STORAGE: Final = "BAM_STORAGE"
"""The variable by which a job's worker learns the database: its address may hold a password, and others can read a
job's arguments, log and pickle."""


class WorkerJob:
    """A callable for submitit that runs a command in a process of its own, and is requeued when it has to leave.

    At submitit's signal, before the time is up or pre-emption, the worker is ended, its runs leave checkpoints, and
    submitit requeues the job. At SIGTERM, of `scontrol requeue`, `scancel` and pre-emption, the worker is ended, and
    the job is requeued where Slurm does nothing else with it. `shared` says that the study is in a database.
    """

    def __init__(self, command: list[str], *, shared: bool = False) -> None:
        self.command = command
        self.shared = shared
        self.worker: subprocess.Popen[bytes] | None = None
        self.ending = False

    def __call__(self) -> int:
        """Run the worker until the study is finished, again if it is killed; return 0, or 1 where runs failed."""
        if self.shared and not os.environ.get(STORAGE):
            raise RuntimeError(f"{STORAGE} did not reach the job: submit with --slurm export=ALL, sbatch's default")
        signal.signal(signal.SIGTERM, self._end)
        starts = 1
        while (code := self._run()) < 0 and not self.ending and starts < STARTS:
            starts += 1
        if self.ending:
            if running_in_slurm():
                os.kill(os.getpid(), notice())  # submitit's handler requeues the job and leaves
            sys.exit(128 + signal.SIGTERM)
        if code not in (0, 1):
            raise RuntimeError(f"bam worker ended with code {code}; what it said stands above")
        return code

    def checkpoint(self) -> DelayedSubmission:
        """End the worker, and return what the requeued job calls."""
        from submitit.helpers import DelayedSubmission

        self._end()
        return DelayedSubmission(WorkerJob(self.command, shared=self.shared))

    def _run(self) -> int:
        print(shlex.join(self.command), flush=True)
        ignore_notice = partial(signal.signal, notice(), signal.SIG_IGN)
        self.worker = subprocess.Popen(self.command, preexec_fn=ignore_notice)  # noqa: PLW1509 - there is one thread here
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.worker.pid, os.WEXITED | os.WNOWAIT)  # `wait` holds a lock that `_end` needs
        return self.worker.wait()

    def _end(self, *_signal: Any) -> None:
        self.ending = True
        if self.worker is None:
            return
        for number, seconds in ((signal.SIGTERM, TIMEOUT), (signal.SIGKILL, 5.0)):
            self.worker.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.worker.wait(seconds)
                return


def notice() -> signal.Signals:
    """Return the signal by which submitit is told to requeue; Slurm sends it to every process of a job."""
    from submitit import JobEnvironment  # `bam status` loads this file, as all of the room, and needs no submitit

    return signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]


def running_in_slurm() -> bool:
    """Say whether Slurm still counts this job as running: then nobody requeues it unless it asks for it."""
    try:
        command = ["squeue", "--noheader", f"--jobs={os.environ['SLURM_JOB_ID']}", "--format=%T"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, KeyError, subprocess.SubprocessError):
        return False
    return answer[:1] == ["RUNNING"]
