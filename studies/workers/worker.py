"""The process group that trains one run; this module loads torch and Lightning, once, in the scheduler's forkserver."""

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from lightning_bam.run_folder.files import FolderError, remove
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.provenance import commit
from lightning_bam.signals import Interruption, Signals
from lightning_bam.user_code.load import load
from studies.job.job import FULL, TAKEN, Job
from studies.workers.failure import RECORD, Failure, RankError
from studies.workers.nodes import run_step
from studies.workers.process_environment import die_with_parent, redirect, scrub
from studies.workers.ranks import launch, rank

SERVER: Final = os.getppid() if multiprocessing.parent_process() else os.getpid()
"""The server that runs are forked from. It loads this module, or, where it could not, each run does."""

commit()  # the server looks it up: what trains is the code that it has loaded, whatever is checked out later


def work(job: Job, lock: int | None = None) -> None:
    """Train `job`'s run in this process and, on several devices, in ranks launched from it.

    Exits with 0 (finished, or pruned), 1 (failed), FULL, TAKEN, or 128 and the number of a signal.
    """
    die_with_parent()
    if os.getppid() != SERVER:  # it has died meanwhile, and the scheduler believes that this run has failed
        os._exit(128 + signal.SIGKILL)
    signals = Signals()
    signals.listen()
    environment = dict(os.environ)
    scrub()
    os.environ["BAM_RANKS_HERE"] = str(job.ranks_here)
    code = _train(job, signals, environment, lock)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # no room for the log: Python would change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _train(job: Job, signals: Signals, environment: dict[str, str], lock: int | None) -> int:
    folder = RunFolder(job.folder, job.nonce)
    try:
        redirect(folder.log if job.slot.world == 1 else job.folder / "launcher.log")
        remove(folder.path / RECORD)  # an earlier attempt's
        load(job.code)
        if job.slot.world == 1:
            rank(job, signals)
        elif job.slot.nodes == 1:
            launch(job)
        else:
            run_step(job, environment, lock)
    except Interruption as error:
        return _interrupt(folder, error)
    except BaseException as error:  # whatever it is, it belongs in the record
        if signals.number:  # what breaks on the way out is no failure of the run
            return _interrupt(folder, Interruption.by(signals.number))
        return fail(folder, error)
    return 0


def _interrupt(folder: RunFolder, error: Interruption) -> int:
    """Record an interruption, unless another attempt has taken the run over, and return the exit code."""
    if error.code != TAKEN:
        failure = Failure.first(folder.path) if str(error) in ("disk", "storage") else None
        with suppress(FolderError):
            folder.end("interrupted", cause=str(error), error=failure.error if failure else None)
    return error.code


def fail(folder: RunFolder, error: BaseException) -> int:
    """Record why the run ended, in the manifest and in the log, and return the exit code."""
    failure = error.failure if isinstance(error, RankError) else Failure.of(error, 0)
    failure.show()
    line = str(error) if isinstance(error, RankError) else failure.error
    with suppress(FolderError):
        folder.end(failure.state, cause=failure.cause, error=line, rank=failure.rank, traceback=failure.traceback)
    return FULL if failure.cause == "disk" else 1
