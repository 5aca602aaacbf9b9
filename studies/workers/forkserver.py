"""Process groups: forked from a warm server, and ended as a whole."""

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from multiprocessing.resource_tracker import ensure_running as ensure_tracker
from typing import Final

import psutil

from studies.workers.process_environment import variables

VARIABLE: Final = "BAM_SCHEDULER"
"""`<process id>:<when it was started, in seconds since 1970>`, in the environment of all that a scheduler starts."""
CLOCK_CHANGE: Final = 10.0
"""Seconds by which two readings of when a process was started may differ (the clock has been set meanwhile)."""
PINNED: Final = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_TOP_PAD_": str(2**28)}
"""glibc keeps freed memory: without it page faults cost a third to a half of a small net's step on CPU (measured:
53 against 77 ms a step, small_resnet 32x32, batch 64, one thread of an EPYC, n=20 steps)."""
TRACKED: Final = ("studies.tracking.lightning_logger", "wandb.sdk.launch.inputs.internal")
"""What a tracked run loads, too: by a private name of W&B's all that `wandb.init` comes to import, a second or two."""


def is_orphan(process: psutil.Process) -> bool:
    """Say whether a process was forked for a run by a scheduler that is dead, whose number may be another process's."""
    try:
        if not any("multiprocessing.forkserver" in word for word in process.cmdline()):
            return False
        pid, _, started = process.environ().get(VARIABLE, "").partition(":")
        number, since = int(pid), float(started)
    except (psutil.Error, OSError, ValueError):  # ended meanwhile, another user's, or not ours
        return False
    try:
        scheduler = psutil.Process(number)
        return scheduler.status() == psutil.STATUS_ZOMBIE or abs(scheduler.create_time() - since) >= CLOCK_CHANGE
    except psutil.NoSuchProcess:
        return True


def forkserver(*, tracked: bool = False) -> ForkServerContext:
    """Return a context whose server, which starts with the first process, has torch loaded, and W&B if `tracked`."""
    context = multiprocessing.get_context("forkserver")
    preload = ["studies.workers.server", "studies.workers.worker"]
    context.set_forkserver_preload([*preload, *TRACKED] if tracked else preload)
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # to count GPUs must not open CUDA in the server
    for name, value in PINNED.items():
        os.environ.setdefault(name, value)
    os.environ[VARIABLE] = f"{os.getpid()}:{psutil.Process().create_time():.2f}"
    return context


def serve() -> None:
    """Have the server run; from its first moment on it ignores Ctrl-C, which would end it with a traceback."""
    with variables({"PYTHONSAFEPATH": "1"}):
        ensure_tracker()  # by itself: at its end it unblocks the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_all(processes: Sequence[ForkServerProcess], timeout: float = 10.0) -> None:
    """End process groups by SIGTERM, after `timeout` seconds by SIGKILL."""
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        for process in processes:
            _signal_group(process, number)
        deadline = time.monotonic() + seconds
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))


def kill_group(process: ForkServerProcess, timeout: float = 5.0) -> None:
    """Kill what outlives a group's leader, and wait for its end: it may still hold the run's lock."""
    deadline = time.monotonic() + timeout
    while process.pid is not None and time.monotonic() < deadline:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.02)


def _signal_group(process: ForkServerProcess, number: int) -> None:
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
    if process.exitcode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
