"""The process group that trains one run: forked from a warm server, its own session, gone with its parent.

This module loads torch and Lightning; the scheduler's forkserver imports it once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lightning_bam.config import ConfigError
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder
from lightning_bam.recorder import TrainingError
from lightning_bam.training import train
from studies.job import BUSY, Job
from studies.tracking import Tracking

LEAKY = (
    "RANK",
    "LOCAL_",
    "WORLD_SIZE",
    "GROUP_",
    "ROLE_",
    "MASTER_",
    "TORCHELASTIC_",
    "SLURM_",
    "PMI",
    "OMPI_",
)
"""Variables of other launchers that would make a run believe that it is a rank of something."""

LINGER = 1.0
"""Seconds that a failed rank stays before it leaves, many times what the launcher needs to see another one's death.

The others learn of a dead rank from their broken connections at once. Were they to leave at once too, the launcher
could see them first and take the victim for the cause.
"""


def work(job: Job) -> None:
    """Train `job`'s run in this process and, on several devices, in ranks launched from it; exits with 0, 1 or BUSY."""
    die_with_parent()
    scrub()
    folder = RunFolder(job.folder)
    lock = folder.acquire()
    if lock is None:
        sys.exit(BUSY)
    if folder.result() is not None:
        sys.exit(0)
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


def visible(gpus: Sequence[int], before: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for these GPUs, which are counted among those that were visible `before`."""
    names = [name.strip() for name in before.split(",")] if before is not None else None
    return ",".join(str(index) if names is None else names[index] for index in gpus)


def launch(job: Job) -> None:
    """Start one rank a device with torch's own launcher; a rank's death ends the others.

    Raises:
        TrainingError: the first rank that failed, and its last words.

    """
    config = LaunchConfig(
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
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    try:
        elastic_launch(config, _rank)(job)
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


def fail(folder: RunFolder, error: BaseException) -> None:
    """Record why the run failed: one line in the manifest, the traceback in the log."""
    traceback.print_exc()
    folder.note(state="failed", error=one_line(error))


def one_line(error: BaseException) -> str:
    """Return what an error says in one line, with its type where it is not one of ours."""
    expected = isinstance(error, ConfigError | FolderError | TrainingError)
    first = (str(error).splitlines() or [""])[0]
    return first if expected else f"{type(error).__name__}: {first}"


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux), so that no rank outlives its group."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def scrub() -> None:
    """Forget what other launchers left in the environment."""
    for name in list(os.environ):
        if name.startswith(LEAKY):
            del os.environ[name]


def redirect(log: Path) -> None:
    """Append all that this process prints, from Python or below, to `log`."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _leave(number: int, _frame: Any) -> None:
    sys.exit(128 + number)
