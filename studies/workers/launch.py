"""How a process is forked from the warm server without this process loading torch."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

from lightning_bam.user_code.imports import StudyImports
from studies.job.job import Job
from studies.workers.forkserver import serve
from studies.workers.process_environment import no_main


def start(context: ForkServerContext, job: Job, lifeline: Connection, lock: int | None) -> ForkServerProcess:
    """Fork the process group that trains `job`; it ends with the other end of `lifeline`, and holds the `lock`."""
    connection = Connection(os.dup(lock)) if lock is not None else None  # a bare descriptor would not be sent along
    return _start(context, _train, (StudyImports(), job, lifeline, connection))


def _start(context: ForkServerContext, target: Callable[..., None], arguments: tuple[Any, ...]) -> ForkServerProcess:
    """Start a process; a server that dies meanwhile is replaced by a new one, as long as servers do not keep dying."""
    for attempt in range(5):
        process = context.Process(target=target, args=arguments)
        try:
            serve()
            with no_main():
                process.start()
            break
        except (EOFError, ConnectionError):
            if attempt == 4:
                raise
            time.sleep(0.2)
    return process


def ask(context: ForkServerContext, module: str, function: str, argument: Any, limit: float | None = None) -> Any:
    """Call a function in a process that has torch loaded; RuntimeError where it does not answer in `limit` seconds."""
    receiver, sender = context.Pipe()
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


def _train(_: object, job: Job, lifeline: Connection, lock: Connection | None) -> None:
    _lead(lifeline)
    import_module("studies.workers.worker").work(job, lock and lock.fileno())


def _answer(_: object, sender: Connection, module: str, function: str, argument: Any) -> None:
    _lead(sender)
    try:
        sender.send((True, getattr(import_module(module), function)(argument)))
    except Exception as error:
        sender.send((False, error))


def _lead(lifeline: Connection) -> None:
    """Make this process the leader of a group that ends once nobody holds the other end of its lifeline."""
    os.setsid()
    lifelines.append(lifeline)
    watch_lifeline()


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
