"""A deadline for each answer of PostgreSQL: a server that hangs, or a network that is cut, raises no error."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

from studies.storage import postgres

LOOK: Final = 0.1
"""Seconds between two looks at the clock, and at whether somebody wants this process to end."""

Answer = TypeVar("Answer")


class Connection(psycopg.Connection[Any]):
    """A connection that is closed, with an error, when the server has been silent for too long, or at Ctrl-C.

    A server that is silent would not hear that a query is cancelled, either.
    """

    @classmethod
    def connect(cls, conninfo: str = "", **keywords: Any) -> Connection:
        """Connect within the time that `patience` leaves."""
        left = postgres.patience.left()
        if left <= 0:
            raise psycopg.OperationalError("no time is left to ask it")
        limit = min(left, float(keywords.pop("connect_timeout", postgres.CONNECT)))
        began = time.monotonic()
        try:
            made = super().connect(conninfo, connect_timeout=max(2, round(limit)), **keywords)
        finally:
            _heard(began)
        with made.transaction():  # not an option of the connection: the user may give some, and poolers take few
            made.execute(f"SET lock_timeout = '{postgres.LOCKED} s'")
        return made

    def __del__(self, *_warn: Any) -> None:
        """Close what an engine leaves open that fails while it is made."""
        self.close()

    def wait(self, gen: PQGen[Answer], interval: float = LOOK, timeout: float | None = None) -> Answer:  # noqa: ARG002
        """Talk with the server; psycopg does so here, whatever is asked."""
        try:
            return waiting.wait(self._within(gen), self.pgconn.socket, min(interval, LOOK))
        except KeyboardInterrupt:
            self.close()
            raise

    def _within(self, gen: PQGen[Answer]) -> PQGen[Answer]:
        """Hand `gen` what comes in, for as long as something does."""
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    _heard(heard)
                    heard = time.monotonic()
                elif (silent := time.monotonic() - heard) > postgres.SILENCE or postgres.patience.left() < 0:
                    _heard(heard)
                    self.close()
                    raise psycopg.OperationalError(f"no word from it in {silent:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _heard(since: float) -> None:
    """Note an outage where nothing was heard for so long that others could send no heartbeat meanwhile."""
    if time.monotonic() - since > postgres.BEAT:
        postgres.patience.missed()


DRIVER: Final = SimpleNamespace(**vars(psycopg) | {"connect": Connection.connect})
"""psycopg, as SQLAlchemy wants it, with these connections."""


def engine_options() -> dict[str, Any]:
    """Return what SQLAlchemy's engines are made with: no connection waits for good for a server that is silent."""
    return {"module": DRIVER, "pool_pre_ping": True, "connect_args": {"connect_timeout": postgres.CONNECT}}
