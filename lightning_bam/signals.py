"""Signals that end a training: answered between two batches, by all ranks at once, with a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""What ends a training; Slurm and submitit announce a pre-emption by SIGUSR1 or SIGUSR2."""
TIMEOUT: Final = 7.0
"""Seconds from SIGTERM or SIGINT to the end of a process, whatever it is stuck in (a broken collective call); whoever
sends one of the others says how long there is by what he sends next."""


class Interruption(BaseException):
    """The run ends here and can be resumed: the message is the cause, `code` the exit code of the process."""

    def __init__(self, code: int, cause: str) -> None:
        super().__init__(cause)
        self.code = code

    @classmethod
    def by(cls, number: int) -> Interruption:
        """Return the interruption by a signal, with the shell's exit code for it."""
        return cls(128 + number, f"stopped by signal {int(number)}")


class Signals:
    """The first signal that this process got, `number`, 0 where there was none.

    Until `defer` is called, one raises `Interruption` at once; then it is noted, for the training to answer in
    `timeout`.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.number = 0
        self.timeout = timeout
        self._listening = self._deferring = False

    def listen(self) -> None:
        """Answer this process's signals from here on (main thread only)."""
        if not self._listening:
            self._listening = True
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            threading.Thread(target=self._exit_after_timeout, args=(reader,), daemon=True).start()
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def defer(self) -> None:
        """Only note what comes."""
        self._deferring, self.timeout = True, TIMEOUT
        if self._listening:  # Lightning has put a handler of its own before ours, which broadcasts from within
            self.listen()

    def _handle(self, number: int, _frame: Any) -> None:
        if self.number:  # the launcher signals its ranks once more
            return
        self.number = number
        if not self._deferring:
            raise Interruption.by(number)

    def _exit_after_timeout(self, reader: int) -> None:
        """End this process in a while, also where its main thread hangs in a call in which Python runs no handler."""
        while (number := os.read(reader, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
            pass
        time.sleep(self.timeout)
        os._exit(128 + number)
