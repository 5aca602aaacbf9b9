"""The ranks of one run: one process a device, started by torch's own launcher; a rank's death ends the others."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lightning_bam.run_folder.files import FolderError, read_tail
from lightning_bam.run_folder.folder import RunFolder, TakenOverError
from lightning_bam.run_folder.provenance import WORKSPACE
from lightning_bam.signals import Leaving, Signals
from lightning_bam.training.train import train
from studies.job.job import FULL, TAKEN, Job
from studies.tracking.wandb_run import DISK, Tracking
from studies.workers.failure import Failure, Interrupted, RankError, taken_over
from studies.workers.launch import watch_lifeline
from studies.workers.process_environment import die_with_parent, redirect, visible
from studies.workers.rendezvous import Rendezvous

LINGER = 1.0
"""Seconds that a failed rank stays before it leaves, many times what the launcher needs to see another one's death.

The others learn of a dead rank from their broken connections at once. Were they to leave at once too, the launcher
could see them first and take the victim for the cause.
"""
EARLY: Final = 2.0
"""Seconds until a rank that has not begun to train is ended: it may be waiting for one that has died."""
BRIEFLY: Final = 3.0
"""Seconds that W&B has to close its run where the process was told to leave, less than `leaving.PATIENCE`."""
VICTIM: Final = 76
"""Exit code of a rank whose connection broke to another one, which is the cause."""
FAULT: Final = 75
"""Exit code of a rank whose disk has failed, which may keep it from leaving word of that."""
CODES: Final = {"disk": FULL, "storage": FAULT, "connection": VICTIM}
"""Exit codes of a rank by the cause of its failure; any other is 1."""


def rank(job: Job, signals: Signals | None = None) -> None:
    """Train as one rank: the only one, or the one that the launcher's environment names.

    Raises:
        Leaving: `signals` told it to.
        TakenOverError: another attempt has begun in the run folder.

    """
    number = int(os.environ.get("RANK", "0"))
    folder = RunFolder(job.folder, job.nonce)
    if job.slot.world > 1:
        die_with_parent()
        watch_lifeline()
        redirect(job.folder / f"rank{number}.log")
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACE  # what deterministic matrix products need on CUDA
    os.environ["CUDA_VISIBLE_DEVICES"] = visible(job.slot.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    tracking = Tracking.start(job, folder.run()) if number == 0 else None
    code = 1
    try:
        result = train(
            folder,
            device=job.slot.device,
            threads=job.threads,
            logger=tracking.logger if tracking else None,
            signals=signals,
            studies={job.study: {"row": job.row, **job.rule}},
        )
        if tracking and result is not None:
            tracking.report(result)
        code = 0
    except Exception as error:
        if tracking and not isinstance(error, TakenOverError) and not (signals and signals.number):
            failure = Failure.first(folder.path) or Failure.of(error, number)  # another rank's, that has cost us ours
            tracking.fail(failure.cause, failure.error)
        raise
    finally:
        if tracking:
            tracking.finish(code, BRIEFLY if signals and signals.number else DISK)


def group(job: Job, meeting: dict[str, Any]) -> LaunchConfig:
    """Return how torch's launcher starts `job`'s ranks: forked from this process; see `Rendezvous.open`."""
    return LaunchConfig(
        **meeting,
        nproc_per_node=job.slot.ranks,
        run_id=job.folder.name,
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # ours are in the run folder; torch's stayed in /tmp for good
        signals_to_handle="SIGHUP,SIGQUIT",  # the others are ours: torch would answer a second one by leaving at once
    )


def launch(job: Job, rendezvous: Rendezvous | None = None) -> None:
    """Start one rank a device with torch's own launcher; a rank's death ends the others.

    Args:
        job: what to train, and where.
        rendezvous: this node's part where several train it; by default the ranks meet on this host's loopback.

    Raises:
        RankError: the first rank that failed, and why.
        Interrupted: the machine has killed a rank, they were told to leave, or a disk is full.

    """
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        with (rendezvous or Rendezvous()).open() as meeting:
            elastic_launch(group(job, meeting), _rank)(job)
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        raise _ended(job.folder, number, failure.exitcode) from None


def _ended(folder: Path, number: int, code: int) -> RankError | Interrupted:
    """Say what the exit code of the first rank that ended means for the group."""
    if code < 0:
        return Interrupted(128 - code, f"rank {number} was killed by signal {-code}")
    if code > 128:
        return Interrupted(code, f"stopped by signal {code - 128}")
    if code == TAKEN:
        return Interrupted(code, "taken over")
    if code in (FULL, FAULT):
        return Interrupted(code, "disk" if code == FULL else "storage")
    words = _last_words(folder / f"rank{number}.log") or f"ended with code {code}"
    if code == VICTIM:
        return RankError(Failure(rank=number, cause="connection", error=words, traceback=""))
    found = Failure.first(folder)
    return RankError(found or Failure(rank=number, cause="error", error=words, traceback=""))


def _rank(job: Job) -> None:
    """Train as a launched rank; its exit code, and what `Failure` leaves, tell `launch` how it ended."""
    signals = Signals(EARLY)
    signals.listen()
    try:
        rank(job, signals)
    except TakenOverError as error:
        os._exit(taken_over(error))
    except Leaving as told:
        os._exit(told.code)
    except BaseException as error:
        os._exit(128 + signals.number if signals.number else _crashed(job, error))


def _crashed(job: Job, error: BaseException) -> int:
    """Leave word of what went wrong, as the last line of the log, too, and return the exit code."""
    failure = Failure.of(error, int(os.environ["RANK"]))
    failure.show()
    if failure.cause != "connection":
        failure.record(job.folder)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(LINGER)
    return CODES.get(failure.cause, 1)


def _last_words(log: Path) -> str:
    try:
        lines = read_tail(log).strip().splitlines()
    except (OSError, FolderError):
        return ""
    return lines[-1] if lines else ""
