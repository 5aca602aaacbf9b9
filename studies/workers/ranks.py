"""The ranks of one run: one process a device, started by torch's own launcher; a rank's death ends the others."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lightning_bam.run_folder.files import FolderError, read_tail
from lightning_bam.run_folder.folder import RunFolder, TakenOverError
from lightning_bam.run_folder.provenance import WORKSPACE
from lightning_bam.signals import Interruption, Signals
from lightning_bam.training.train import train
from studies.job.job import FULL, TAKEN, Job
from studies.job.observer import End
from studies.tracking.wandb_run import DISK, Tracking
from studies.workers.failure import Cause, Failure, RankError
from studies.workers.launch import watch_lifeline
from studies.workers.process_environment import die_with_parent, redirect, visible
from studies.workers.rendezvous import Rendezvous

LINGER: Final = 1.0
"""Seconds that a failed rank stays: the others, whose connections break at once, would end at once, too, and the
launcher could take one of them for the cause."""
EARLY: Final = 2.0
"""Seconds from a signal to the end of a rank that does not train yet: it may be waiting for one that has died."""
BRIEFLY: Final = 3.0
"""Seconds that W&B has to close its run after a signal, less than `signals.TIMEOUT`."""
VICTIM: Final = 76
"""Exit code of a rank whose connection broke to another one, which is the cause."""
FAULT: Final = 75
"""Exit code of a rank whose disk has failed: it may be unable to write anything about it."""
CODES: Final = {"disk": FULL, "storage": FAULT, "connection": VICTIM}
"""Exit codes of a rank by the cause of its failure; any other is 1."""
INTERRUPTIONS: Final = {TAKEN: "taken over", FULL: "disk", FAULT: "storage"}
"""Why a run is interrupted whose rank, or step, ends with one of these codes."""


def rank(job: Job, signals: Signals | None = None) -> None:
    """Train as one rank: the only one, or the one that the launcher's environment names."""
    number = int(os.environ.get("RANK", "0"))
    folder = RunFolder(job.folder, job.nonce)
    if job.slot.world > 1:
        die_with_parent()
        watch_lifeline()
        redirect(job.folder / f"rank{number}.log")
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACE  # what deterministic matrix products need on CUDA
    os.environ["CUDA_VISIBLE_DEVICES"] = visible(job.slot.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    tracking = Tracking(job, folder.run()) if number == 0 else None
    if tracking:
        tracking.start()
    end = End(state="interrupted", code=1)
    try:
        result = train(
            folder,
            device=job.slot.device,
            threads=job.threads,
            runs_per_device=job.slot.runs_per_device,
            logger=tracking.logger if tracking else None,
            signals=signals,
            studies={job.study: {"row": job.row, **job.purpose}},
        )
        end = End(state="pruned" if result is None else "complete", result=result)
    except TakenOverError as error:  # all in the run folder, but for this log, is the other attempt's
        with suppress(OSError):
            print(f"{error}; this one leaves it alone", file=sys.stderr, flush=True)
        raise Interruption(TAKEN, INTERRUPTIONS[TAKEN]) from None
    except Exception as error:
        if tracking and not (signals and signals.number):
            failure = Failure.first(folder.path) or Failure.of(error, number)  # another rank's is the cause of ours
            why, traceback = failure.cause, failure.traceback
            end = End(state=failure.state, code=1, cause=why, error=failure.error, traceback=traceback)
        raise
    finally:
        if tracking:
            tracking.end(end, BRIEFLY if signals and signals.number else DISK)


def group(job: Job, meeting: dict[str, Any]) -> LaunchConfig:
    """Return how torch's launcher starts `job`'s ranks: forked from this process; see `Rendezvous.open`."""
    return LaunchConfig(
        **meeting,
        nproc_per_node=job.slot.ranks,
        run_id=job.folder.name,
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),  # ours are in the run folder; torch's would stay in /tmp
        signals_to_handle="SIGHUP,SIGQUIT",  # the others are ours: at a second one torch would exit at once
    )


def launch(job: Job, rendezvous: Rendezvous | None = None) -> None:
    """Start one rank a device with torch's own launcher; a rank's death ends the others.

    `rendezvous` is this node's part where several train the run. Raises `RankError` for the first rank that failed, and
    `Interruption` where the machine has killed a rank, a signal came, or a disk is full.
    """
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        with (rendezvous or Rendezvous()).open() as meeting:
            elastic_launch(group(job, meeting), _rank)(job)
    except SignalException as error:  # one of those that torch's launcher answers; it has ended the ranks
        raise Interruption.by(error.sigval) from None
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        raise verdict(job.folder, number, failure.exitcode) from None


def verdict(folder: Path, number: int, code: int) -> RankError | Interruption:
    """Return what the exit code of the first rank that ended means for the group."""
    if code < 0:
        return Interruption(128 - code, f"rank {number} was killed by signal {-code}")
    if code > 128:
        return Interruption.by(code - 128)
    if code in INTERRUPTIONS:
        return Interruption(code, INTERRUPTIONS[code])
    failure = None if code == VICTIM else Failure.first(folder)
    if failure is None:
        line = ""
        with suppress(OSError, FolderError):
            line = read_tail(folder / f"rank{number}.log").strip().rpartition("\n")[2]
        cause: Cause = "connection" if code == VICTIM else "error"
        failure = Failure(rank=number, cause=cause, error=line or f"ended with code {code}", traceback="")
    return RankError(failure)


def _rank(job: Job) -> None:
    """Train as a launched rank; its exit code, and the record of a `Failure`, tell `launch` how it ended."""
    signals = Signals(EARLY)
    signals.listen()
    try:
        rank(job, signals)
    except Interruption as error:
        os._exit(error.code)
    except BaseException as error:
        os._exit(128 + signals.number if signals.number else _crash(job, error))


def _crash(job: Job, error: BaseException) -> int:
    """Record what went wrong, as the last line of the log, too, and return the exit code."""
    failure = Failure.of(error, int(os.environ["RANK"]))
    failure.show()
    failure.record(job.folder)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(LINGER)
    return CODES.get(failure.cause, 1)
