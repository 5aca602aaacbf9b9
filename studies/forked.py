"""A part of the work of a large study done by a forked process, which needs no start and has all that this one has."""

from __future__ import annotations

import marshal
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any


class Forked:
    """What `work` returns, from a process of its own, which goes on meanwhile; left with the block it is killed.

    Args:
        work: returns what `marshal` can write down; None for no process.

    """

    def __init__(self, work: Callable[[], Any] | None) -> None:
        self._child = 0
        self._pipe = -1
        if work is None or threading.active_count() > 1:  # the child would wait in vain for what a thread has locked
            return
        with suppress(OSError):
            self._pipe, theirs = os.pipe()
            try:
                self._child = os.fork()
                if not self._child:
                    os.close(self._pipe)  # with a reader of its own it would wait for ever once the first process died
                    _do(work, theirs)
            except OSError:
                os.close(self._pipe)
            finally:
                os.close(theirs)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process, should it still be there."""
        if self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._end()

    def answer(self) -> Any:
        """Return what it has done; None where there is no process, or it died."""
        if not self._child:
            return None
        with open(self._pipe, "rb", closefd=False) as pipe:
            told = pipe.read()
        status = self._end()
        with suppress(EOFError, ValueError, TypeError):
            return marshal.loads(told) if status == 0 else None
        return None

    def _end(self) -> int:
        child, self._child = self._child, 0
        os.close(self._pipe)
        try:
            return os.waitpid(child, 0)[1]
        except ChildProcessError:  # where SIGCHLD is ignored, the system buries children: how they ended is not known
            return 1


def _do(work: Callable[[], Any], pipe: int) -> None:
    status = 1
    with suppress(BaseException):
        answer = memoryview(marshal.dumps(work()))
        while answer:
            answer = answer[os.write(pipe, answer) :]
        status = 0
    os._exit(status)  # nothing that the first process has begun is ended here
