"""How a process is forked from the warm server without this process loading torch."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

from studies.job.job import Job
from studies.workers.forkserver import serve
from studies.workers.import_path import Handed


def start(context: ForkServerContext, job: Job, lifeline: Connection, lock: int | None) -> ForkServerProcess:
    """Fork the process group that trains `job`; it ends itself when the other end of `lifeline` is closed.

    Args:
        context: whose server is forked.
        job: what to train, and where.
        lifeline: whose other end this process holds.
        lock: a descriptor of the run folder's lock, which the group holds to its end; None where there is none to hold.

    """
    held = _Descriptor(lock) if lock is not None else None
    return _started(lambda: context.Process(target=_train, args=(Handed(), job, lifeline, held), name=job.folder.name))


def _started(make: Callable[[], ForkServerProcess]) -> ForkServerProcess:
    """Start a process; a server that dies while it is asked is replaced by a new one at the next asking.

    Raises:
        OSError: servers keep dying.
        EOFError: likewise.

    """
    for _ in range(4):
        process = make()
        try:
            serve()
            process.start()
        except (EOFError, ConnectionError):
            time.sleep(0.2)
        else:
            return process
    process = make()
    serve()
    process.start()
    return process


def ask(context: ForkServerContext, module: str, function: str, argument: Any, limit: float | None = None) -> Any:
    """Call a function in a process that has torch loaded, and return its answer.

    Args:
        context: whose server is forked.
        module: where the function is.
        function: its name.
        argument: what it is called with.
        limit: seconds after which it is killed; None to wait for as long as it takes.

    Raises:
        Exception: whatever the function raised.
        RuntimeError: the process died, or was killed, without an answer.

    """
    receiver, sender = context.Pipe(duplex=False)
    process = _started(lambda: context.Process(target=_answer, args=(Handed(), sender, module, function, argument)))
    sender.close()
    if not receiver.poll(limit):
        process.kill()
        process.join(5)  # one that a driver holds does not even hear that
        raise RuntimeError(f"{module}.{function} did not answer within {limit:.0f} s")
    try:
        good, answer = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{module}.{function} ended without an answer (code {process.exitcode})") from None
    process.join()
    if not good:
        raise answer
    return answer


class _Descriptor:
    """A file descriptor that is handed on to the forked process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (reduction.DupFd(self.number),)


def _received(duplicate: Any) -> _Descriptor:
    return _Descriptor(duplicate.detach())


def _train(_: object, job: Job, lifeline: Connection, lock: _Descriptor | None) -> None:
    os.setsid()
    held.append(lifeline)
    watch_lifeline()
    import_module("studies.workers.worker").work(job, lock and lock.number)


held: Final[list[Connection]] = []
"""The lifeline of the group that this process is of, if it is of one."""


def watch_lifeline() -> None:
    """End this process group with its scheduler; each process of it watches, since any of them may be stopped."""
    for lifeline in held:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()


def _watch(lifeline: Connection) -> None:
    """Kill this process group once nobody holds the lifeline's other end: the scheduler is gone, however it went."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os.killpg(0, signal.SIGKILL)


def _leave_unheard(pipe: int) -> None:
    """End this process once nobody reads what it has to say: who asked is gone, however it went."""
    watched = select.poll()
    watched.register(pipe, 0)  # an error is told unasked: the pipe's other end was closed
    watched.poll()
    os._exit(1)


def _answer(_: object, sender: Connection, module: str, function: str, argument: Any) -> None:
    threading.Thread(target=_leave_unheard, args=(sender.fileno(),), daemon=True).start()
    try:
        sender.send((True, getattr(import_module(module), function)(argument)))
    except Exception as error:
        sender.send((False, error))
