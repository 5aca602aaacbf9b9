"""Signals that end a process as Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What ends a scheduler as Ctrl-C does: a polite kill, a terminal that was closed, and (by one of the last two, with
Slurm's `--signal`) the coming end of a job's time."""


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Take each signal of `ENDING` as Ctrl-C, so that all end every group; a second one changes nothing.

    What this process ignores it goes on ignoring: under nohup a closed terminal ends nothing, and a Slurm job of ours
    answers the notice in the worker's stead. Within another such block, or in another thread, this one does nothing.
    """
    if threading.current_thread() is not threading.main_thread() or _interrupt in map(signal.getsignal, ENDING):
        yield
        return
    answered = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in answered}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: Any) -> None:
    for number in ENDING:
        if signal.getsignal(number) == _interrupt:
            signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
