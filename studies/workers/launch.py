"""How a process is forked from the warm server without this process loading torch."""

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
from studies.workers.import_path import StudyImports


def start(context: ForkServerContext, job: Job, lifeline: Connection, lock: int | None) -> ForkServerProcess:
    """Fork the process group that trains `job`; it ends itself when the other end of `lifeline` is closed.

    `lock` is a descriptor of the run folder's lock, if there is one to hold, which the group holds to its end.
    """
    descriptor = _Descriptor(lock) if lock is not None else None
    return _start(context, _train, (StudyImports(), job, lifeline, descriptor))


def _start(context: ForkServerContext, target: Callable[..., None], arguments: tuple[Any, ...]) -> ForkServerProcess:
    """Start a process; a server that dies meanwhile is replaced by a new one, as long as servers do not keep dying."""
    for attempt in range(5):
        process = context.Process(target=target, args=arguments)
        try:
            serve()
            process.start()
            break
        except (EOFError, ConnectionError):
            if attempt == 4:
                raise
            time.sleep(0.2)
    return process


def ask(context: ForkServerContext, module: str, function: str, argument: Any, limit: float | None = None) -> Any:
    """Call a function of a module in a process that has torch loaded; return its answer, or raise its exception.

    A process that dies without an answer, or has none after `limit` seconds, is a `RuntimeError`.
    """
    receiver, sender = context.Pipe(duplex=False)
    process = _start(context, _answer, (StudyImports(), sender, module, function, argument))
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
    """A file descriptor that the forked process gets, too."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _descriptor, (reduction.DupFd(self.number),)


def _descriptor(duplicate: Any) -> _Descriptor:
    return _Descriptor(duplicate.detach())


def _train(_: object, job: Job, lifeline: Connection, lock: _Descriptor | None) -> None:
    os.setsid()
    lifelines.append(lifeline)
    watch_lifeline()
    import_module("studies.workers.worker").work(job, lock and lock.number)


lifelines: Final[list[Connection]] = []
"""The lifeline of the group that this process is of, if it is of one."""


def watch_lifeline() -> None:
    """End this process group with its scheduler; each process of it watches, since any of them may be stopped."""
    for lifeline in lifelines:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()


def _watch(lifeline: Connection) -> None:
    """Kill this process group once nobody holds the lifeline's other end: the scheduler is dead."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os.killpg(0, signal.SIGKILL)


def _exit_unread(pipe: int) -> None:
    """End this process once nobody can read its answer: who asked is dead."""
    poll = select.poll()
    poll.register(pipe, 0)  # that the other end was closed is an error, which it always reports
    poll.poll()
    os._exit(1)


def _answer(_: object, sender: Connection, module: str, function: str, argument: Any) -> None:
    threading.Thread(target=_exit_unread, args=(sender.fileno(),), daemon=True).start()
    try:
        sender.send((True, getattr(import_module(module), function)(argument)))
    except Exception as error:
        sender.send((False, error))
