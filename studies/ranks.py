"""The ranks of one run: one process a device, started by torch's own launcher; a rank's death ends the others."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lightning_bam.config import ConfigError
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder
from lightning_bam.recorder import TrainingError
from lightning_bam.training import train
from studies.job import Job
from studies.surroundings import die_with_parent, redirect, visible
from studies.tracking import Tracking

LINGER = 1.0
"""Seconds that a failed rank stays before it leaves, many times what the launcher needs to see another one's death.

The others learn of a dead rank from their broken connections at once. Were they to leave at once too, the launcher
could see them first and take the victim for the cause.
"""


def rank(job: Job) -> None:
    """Train as one rank: the only one, or the one that the launcher's environment names."""
    number = int(os.environ.get("RANK", "0"))
    folder = RunFolder(job.folder)
    if number or job.slot.ranks > 1:
        die_with_parent()
        redirect(job.folder / f"rank{number}.log")
    signal.signal(signal.SIGTERM, _leave)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic matrix products need on CUDA
    os.environ["CUDA_VISIBLE_DEVICES"] = visible(job.slot.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    tracking = Tracking.start(job, folder.run()) if number == 0 else None
    code = 1
    try:
        result = train(
            folder, device=job.slot.device, threads=job.threads, logger=tracking.logger if tracking else None
        )
        if tracking and result is not None:
            tracking.report(result)
        code = 0
    finally:
        if tracking:
            tracking.finish(code)


def group(job: Job) -> LaunchConfig:
    """Return how torch's launcher starts `job`'s ranks: forked from this process, meeting on a free local port."""
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=job.slot.ranks,
        run_id=job.folder.name,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork",
    )


def launch(job: Job) -> None:
    """Start one rank a device with torch's own launcher; a rank's death ends the others.

    Raises:
        TrainingError: the first rank that failed, and its last words.

    """
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        elastic_launch(group(job), _rank)(job)
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        if failure.exitcode < 0:  # killed by the machine, not by its code: the run is lost, and may be tried again
            sys.exit(128 - failure.exitcode)
        log = job.folder / f"rank{number}.log"
        raise TrainingError(f"rank {number}: {_last_words(log) or f'ended with code {failure.exitcode}'}") from None


def _rank(job: Job) -> None:
    """Train as a launched rank; whatever goes wrong ends as the last line of its log, which `launch` reads."""
    try:
        rank(job)
    except SystemExit as leaving:
        os._exit(int(leaving.code or 0))
    except BaseException as error:
        traceback.print_exc()
        print(one_line(error), file=sys.stderr, flush=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(LINGER)
        os._exit(1)


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def one_line(error: BaseException) -> str:
    """Return what an error says in one line, with its type where it is not one of ours."""
    expected = isinstance(error, ConfigError | FolderError | TrainingError)
    first = (str(error).splitlines() or [""])[0]
    return first if expected else f"{type(error).__name__}: {first}"


def _leave(number: int, _frame: Any) -> None:
    sys.exit(128 + number)
