"""The process group that trains one run: forked from a warm server, its own session, gone with its parent.

This module loads torch and Lightning; the scheduler's forkserver imports it once.
"""

from __future__ import annotations

import sys
import traceback

from torch.distributed.elastic.multiprocessing.api import SignalException

from lightning_bam.folder import RunFolder
from studies.job import Job
from studies.ranks import launch, one_line, rank
from studies.surroundings import die_with_parent, redirect, scrub


def work(job: Job) -> None:
    """Train `job`'s run in this process and, on several devices, in ranks launched from it; exits with 0 or 1."""
    die_with_parent()
    scrub()
    folder = RunFolder(job.folder)
    redirect(folder.log if job.slot.ranks == 1 else job.folder / "launcher.log")
    try:
        if job.slot.ranks == 1:
            rank(job)
        else:
            launch(job)
    except SignalException as told:  # torch's launcher has ended the ranks
        sys.exit(128 + told.sigval)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever it is, it belongs in the record
        fail(folder, error)
        sys.exit(1)


def fail(folder: RunFolder, error: BaseException) -> None:
    """Record why the run failed: one line in the manifest, the traceback in the log."""
    traceback.print_exc()
    folder.note(state="failed", error=one_line(error))
