"""A process for what may hang, die or print, as W&B's client may: it is asked, and ends at a deadline."""

import os
import signal
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple, TypeVar

from studies.errors import StudyError
from studies.terminal.text import one_line
from studies.workers.process_environment import die_with_parent, no_main, scrub, variables

REASON: Final = 200
"""Characters of an error that a message repeats."""

Answer = TypeVar("Answer")


class _Refused(NamedTuple):
    """Why there is no answer."""

    reason: str


class Aside:
    """A process that has `limit` seconds for all that it is asked; use it as a context.

    Nothing that it prints is shown.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __enter__(self) -> "Aside":
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._place = TemporaryDirectory(prefix="bam-", ignore_cleanup_errors=True)
        # the working directory may hold a `wandb` of its own; who is killed leaves what it has in the other folder
        with variables({"PYTHONSAFEPATH": "1", "TMPDIR": self._place.name}), no_main():
            self._process.start()
        theirs.close()
        self._deadline = time.monotonic() + self.limit
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()
        self._place.cleanup()

    def ask(self, function: Callable[..., Answer], *arguments: object, **options: object) -> Answer:
        """Return what a function of a module returns there; a `StudyError` for whatever it raises, or no answer."""
        try:
            self._connection.send((function, arguments, options))
            if not self._connection.poll(max(0.0, self._deadline - time.monotonic())):
                raise StudyError(f"no answer in {self.limit:g} s")
            answer: Answer | _Refused = self._connection.recv()
        except (EOFError, ConnectionError):
            raise StudyError("its process has died") from None
        if isinstance(answer, _Refused):
            raise StudyError(answer.reason)
        return answer


def _serve(connection: Connection) -> None:
    die_with_parent()
    scrub()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    warnings.simplefilter("ignore")
    while True:
        function, arguments, options = connection.recv()
        try:
            answer = function(*arguments, **options)
        except Exception as error:  # W&B's are of any kind
            reason = one_line(" ".join(str(error).split()))[:REASON]
            answer = _Refused(reason or type(error).__name__)
        connection.send(answer)
