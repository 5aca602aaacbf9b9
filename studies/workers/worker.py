"""The process group that trains one run: forked from a warm server, its own session, gone with its parent.

This module loads torch and Lightning; the scheduler's forkserver imports it once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from torch.distributed.elastic.multiprocessing.api import SignalException

from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder, TakenOverError
from lightning_bam.run_folder.provenance import commit
from lightning_bam.signals import Leaving, Signals
from studies.job.job import FULL, TAKEN, Job
from studies.workers.failure import Failure, Interrupted, RankError, taken_over
from studies.workers.nodes import run_step
from studies.workers.process_environment import die_with_server, redirect, scrub
from studies.workers.ranks import launch, rank

commit()  # asked once, by the server: what trains is the code that it has loaded, whatever is checked out later


def work(job: Job, lock: int | None = None) -> None:
    """Train `job`'s run in this process and, on several devices, in ranks launched from it.

    Exits with 0 (finished, or pruned), 1 (failed), FULL, TAKEN, or 128 and the signal that it was told by.
    """
    die_with_server()
    signals = Signals()
    signals.listen()
    environment = dict(os.environ)
    scrub()
    os.environ["BAM_RANKS_HERE"] = str(job.ranks_here)
    folder = RunFolder(job.folder, job.nonce)
    code = _worked(job, folder, signals, environment, lock)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # no room for the log: Python would change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _worked(job: Job, folder: RunFolder, signals: Signals, environment: dict[str, str], lock: int | None) -> int:
    """Train, write down how it ended, and return the exit code."""
    try:
        redirect(folder.log if job.slot.world == 1 else job.folder / "launcher.log")
        Failure.forget(folder.path)
        if job.slot.world == 1:
            rank(job, signals)
        elif job.slot.nodes == 1:
            launch(job)
        else:
            run_step(job, environment, lock)
    except TakenOverError as error:
        return taken_over(error)
    except Leaving as told:
        return _interrupted(folder, told.code, str(told))
    except SignalException as told:  # one of those that torch's launcher answers; it has ended the ranks
        return _interrupted(folder, 128 + told.sigval, f"stopped by signal {int(told.sigval)}")
    except Interrupted as interrupted:
        return _interrupted(folder, int(interrupted.code or 0), interrupted.cause)
    except BaseException as error:  # whatever it is, it belongs in the record
        if signals.number:  # what breaks on the way out is no failure of the run
            return _interrupted(folder, 128 + signals.number, f"stopped by signal {signals.number}")
        return fail(folder, error)
    return 0


def _interrupted(folder: RunFolder, code: int, cause: str) -> int:
    if code == TAKEN:
        return code
    failure = Failure.first(folder.path) if cause in ("disk", "storage") else None
    with suppress(FolderError):
        folder.note(state="interrupted", cause=cause, error=failure.error if failure else None)
    return code


def fail(folder: RunFolder, error: BaseException) -> int:
    """Record why the run ended: in the manifest, in the log; return the exit code.

    A full or failed disk and a broken connection are the machine's: the run is interrupted, and can be gone on with.
    """
    failure = error.failure if isinstance(error, RankError) else Failure.of(error, 0)
    failure.show()
    state = "interrupted" if failure.cause in ("disk", "storage", "connection") else "failed"
    line = str(error) if isinstance(error, RankError) else failure.error
    with suppress(FolderError):
        folder.note(state=state, cause=failure.cause, error=line, rank=failure.rank, traceback=failure.traceback)
    return FULL if failure.cause == "disk" else 1
