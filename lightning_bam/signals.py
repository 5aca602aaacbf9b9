"""Signals that end a training process: from a certain point on they are only noted, and it leaves with a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""What is understood as a request to leave; Slurm and submitit announce a pre-emption by SIGUSR1 or SIGUSR2."""
PATIENCE: Final = 7.0
"""Seconds that a process takes to leave after SIGTERM or SIGINT, whatever it is stuck in (a broken collective call);
whoever sends one of the others says how long there is by what he sends next."""


class Leaving(BaseException):
    """This process leaves because of signal number `signal`; it can be gone on with."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.signal = number

    @property
    def code(self) -> int:
        """Its exit code, the shell's for this signal."""
        return 128 + self.signal


class Signals:
    """The first signal that told this process to leave, `number`, 0 where there was none.

    Until `defer` is called, a signal raises `Leaving` wherever the process is; from then on it is only noted, and the
    training asks for `number` when it can leave with a checkpoint.

    Args:
        patience: seconds from SIGTERM or SIGINT to the end of the process; `PATIENCE` once there is something to save.

    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.number = 0
        self.patience = patience
        self._listening = self._deferring = False

    def listen(self) -> None:
        """Answer this process's signals from here on (main thread only)."""
        if not self._listening:
            self._listening = True
            heard, woken = os.pipe()
            os.set_blocking(woken, False)
            signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
            threading.Thread(target=self._leave_anyhow, args=(heard,), daemon=True).start()
        for number in SIGNALS:
            signal.signal(number, self._hear)

    def defer(self) -> None:
        """Only note what comes.

        Takes the handlers back, too: Lightning has put its own before them, which broadcasts from within the handler,
        between whatever collective calls the ranks are at.
        """
        self._deferring, self.patience = True, PATIENCE
        if self._listening:
            self.listen()

    def _hear(self, number: int, _frame: Any) -> None:
        if self.number:  # the launcher tells its ranks once more
            return
        self.number = number
        if not self._deferring:
            raise Leaving(number)

    def _leave_anyhow(self, heard: int) -> None:
        """End this process in a while, also where its main thread hangs in a call in which Python hears nothing."""
        while (number := os.read(heard, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
            pass
        time.sleep(self.patience)
        os._exit(128 + number)
