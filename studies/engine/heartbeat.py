"""Heartbeats to the database from a thread of their own: whatever the scheduler waits for, its runs stay its own."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from studies.engine.source import Source, TrialHandle
from studies.storage.postgres import BEAT

END_WAIT = 1.0
"""Seconds that a heartbeat which is under way gets at the end; the thread of one that hangs ends with its process."""


@dataclass
class Heartbeat:
    """The heartbeat of one scheduler, every `BEAT` seconds; `trials` returns those of `source` that are running."""

    source: Source
    trials: Callable[[], Sequence[TrialHandle]]

    def __post_init__(self) -> None:
        self._taken_over: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        """Begin, where hosts take part that do not see the runs folder."""
        if self.source.leases.coordination.shared:
            self._thread.start()

    def stop(self) -> None:
        """End it, if it has begun."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(END_WAIT)

    def taken_over(self, key: str, since: float) -> bool:
        """Say whether another host has taken over a run that was started here at that time (`time.monotonic`)."""
        return self._taken_over.get(key, since) > since

    def _beat(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the first thread's
        while not self._stop.wait(BEAT):
            with suppress(Exception):  # a database that is away for a moment: its leases last longer than that
                self.source.send_heartbeat(self.trials())
            start = time.monotonic()
            with suppress(Exception):
                self._taken_over |= dict.fromkeys(self.source.leases.taken_over(), start)
