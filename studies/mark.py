"""The mark that a scheduler leaves in the environment of all that it starts, so that orphans are known for orphans."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import psutil

VARIABLE: Final = "BAM_SCHEDULER"
"""`<process id>:<when it was started, in seconds since 1970>`."""
SAME: Final = 10.0
"""Seconds by which two readings of when a process was started may differ (the clock has been set meanwhile)."""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler as its processes remember it."""

    pid: int
    started: float

    def alive(self) -> bool:
        """Say whether it is still there, and is not another process that has got its number."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started) < SAME
        except psutil.NoSuchProcess:
            return False


def leave_mark() -> None:
    """Mark this process's environment, for all that it starts from now on."""
    os.environ[VARIABLE] = f"{os.getpid()}:{psutil.Process().create_time():.2f}"


def scheduler_of(process: psutil.Process) -> Scheduler | None:
    """Return the scheduler of a process that was forked for a run; None for every other process.

    The environment is what the fork server was started with, which whatever is forked from it shows, too.
    """
    try:
        if not any("multiprocessing.forkserver" in word for word in process.cmdline()):
            return None
        pid, _, started = process.environ().get(VARIABLE, "").partition(":")
        return Scheduler(int(pid), float(started))
    except (psutil.Error, OSError, ValueError):  # ended meanwhile, another user's, or not ours
        return None
