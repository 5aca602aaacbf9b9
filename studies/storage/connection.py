"""A deadline for each answer of PostgreSQL: a server that hangs, or a network that is cut, raises no error.

libpq's `connect_timeout` ends with the connection, its keepalives and `tcp_user_timeout` are about a host that does not
answer, and `statement_timeout` is the server's to keep. Hence `Connection.wait`, where psycopg waits, is overridden.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

from studies.storage import postgres

INTERVAL: Final = 0.1
"""Seconds between two looks at the clock, and at signals."""

Answer = TypeVar("Answer")


class Connection(psycopg.Connection[Any]):
    """A connection that is closed, with an error, when the server has been silent for too long, or at Ctrl-C."""

    @classmethod
    def connect(cls, conninfo: str = "", **keywords: Any) -> Connection:
        """Connect within the time that `outage` leaves."""
        seconds = min(postgres.outage.remaining(), float(keywords.pop("connect_timeout", postgres.CONNECT)))
        if seconds <= 0:
            raise psycopg.OperationalError("no time is left to ask it")
        started = time.monotonic()
        try:
            connection = super().connect(conninfo, connect_timeout=max(2, round(seconds)), **keywords)
        finally:
            _note_outage(started)
        with connection.transaction():  # not an option of the connection: the user may give some, and poolers take few
            connection.execute(f"SET lock_timeout = '{postgres.LOCKED} s'")
        return connection

    def __del__(self, *_warn: Any) -> None:
        """Close what an engine that fails while it is made leaves open."""
        self.close()

    def wait(self, gen: PQGen[Answer], interval: float = INTERVAL, timeout: float | None = None) -> Answer:  # noqa: ARG002
        """Talk with the server."""
        try:
            return waiting.wait(self._within(gen), self.pgconn.socket, min(interval, INTERVAL))
        except KeyboardInterrupt:  # to cancel the query, as psycopg does, would wait for the server once more
            self.close()
            raise

    def _within(self, gen: PQGen[Answer]) -> PQGen[Answer]:
        """Hand `gen` what comes in, for as long as something does."""
        last = time.monotonic()
        try:
            state = next(gen)
            while True:
                ready = yield state
                silence = time.monotonic() - last
                if ready:
                    _note_outage(last)
                    last = time.monotonic()
                elif silence > postgres.SILENCE or postgres.outage.remaining() < 0:
                    _note_outage(last)
                    self.close()
                    raise psycopg.OperationalError(f"no word from it in {silence:.0f} s")
                state = gen.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _note_outage(since: float) -> None:
    """Note an outage where nothing came for so long that others could send no heartbeat meanwhile."""
    if time.monotonic() - since > postgres.BEAT:
        postgres.outage.missed()


def engine_options() -> dict[str, Any]:
    """Return what SQLAlchemy's engines are made with: psycopg with these connections."""
    driver = SimpleNamespace(**vars(psycopg) | {"connect": Connection.connect})
    return {"module": driver, "pool_pre_ping": True, "connect_args": {"connect_timeout": postgres.CONNECT}}
