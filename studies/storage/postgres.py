"""The address of a PostgreSQL server, and what is said of one that does not answer."""

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy import exc
from sqlalchemy.engine import make_url

from studies.errors import StudyError

BEAT: Final = 10
"""Seconds between two heartbeats of a trial in PostgreSQL."""
GRACE: Final = 60
"""Seconds without a heartbeat after which another host may take a run for interrupted."""
TIMEOUT: Final = 120
"""Seconds that a database may be away (restarted, say) before a scheduler gives up; until then its runs go on."""

CONNECT: Final = 10
"""Seconds in which a server must let us in."""
SILENCE: Final = 20.0
"""Seconds without a word from a server that was asked something, after which it counts as away."""
LOCKED: Final = 5
"""Seconds for which a row or a table that another transaction has locked is waited for, fewer than those of a beat."""
LEAVING: Final = 5.0
"""Seconds for all that a scheduler tells the database when it has to leave."""
TABLES: Final = "its tables are not ours or of another version: give a database of its own"
LOCK_TIMEOUT: Final = "55P03"
"""PostgreSQL's code for a lock that it has waited for too long."""
MENDS: Final = {
    LOCK_TIMEOUT: "end that one: pg_stat_activity shows it, and `SELECT pg_terminate_backend(PID)` ends it",
    "42501": "GRANT this user INSERT, UPDATE and DELETE on its tables, and CREATE on its schema; `bam doctor` checks",
    "25006": "it is read-only: name the primary server, or switch default_transaction_read_only off for this user",
    "42P01": TABLES,
    "42703": TABLES,
}
"""What mends a refusal, by PostgreSQL's code for it."""
SECRETS: Final = (
    (re.compile(r"(pass\w*\s*=\s*)('(?:\\.|[^'\\])*'?|\S+)", re.IGNORECASE), r"\1***"),
    (re.compile(r"^((?:[\w+.-]+://)?+[^:@]*):.*@", re.DOTALL), r"\1:***@"),
    (re.compile(r"^([\w+.-]+://[^:@/\[]*):(?!\d*(?:[/?]|$))[^/?@]*(?=[/?]|$)"), r"\1:***"),
)
"""Where a password may stand in what is given as an address: `password=`, before the last @, in the port's place."""

Answer = TypeVar("Answer")


def away(error: BaseException) -> bool:
    """Say whether this is what a database raises that is away, through SQLAlchemy or Optuna."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return isinstance(cause, exc.OperationalError | exc.InterfaceError | exc.PendingRollbackError)


def refusal(error: BaseException) -> str | None:
    """Return the line for a database that answers and refuses, or waits for a lock; None where it is something else."""
    parts = refusal_and_mend(error)
    return f"--storage: {parts[0]}; {parts[1]}" if parts else None


def refusal_and_mend(error: BaseException) -> tuple[str, str] | None:
    """Return what a database refuses, and what mends that; see `refusal`."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    code = getattr(cause.orig, "sqlstate", None) if isinstance(cause, exc.DBAPIError) else None
    if code not in MENDS:
        return None
    locked = code == LOCK_TIMEOUT
    refused = "what is wanted there is locked by another transaction" if locked else "the database refuses"
    return f"{refused} ({reason(error)})", MENDS[code]


def reason(error: BaseException) -> str:
    """Return the first line of what the driver says."""
    cause = error.__cause__ or error
    return str(getattr(cause, "orig", None) or cause).strip().partition("\n")[0]


def silent(error: BaseException) -> str:
    """Return the line for a database that went away and stayed away, or whose rows somebody else has locked."""
    return refusal(error) or (
        f"--storage: the database does not answer any more ({reason(error)}); the run folders hold what was trained: "
        "once it is back, the same command goes on"
    )


class Outage:
    """When this process's database last did not answer, and for how many seconds calls are retried."""

    def __init__(self) -> None:
        self.timeout = float(TIMEOUT)
        self.away = -math.inf
        self.until = math.inf

    def missed(self) -> None:
        """Note that the database does not answer."""
        self.away = time.monotonic()

    def since(self) -> float:
        """Return for how many seconds it has answered, as far as this process knows."""
        return time.monotonic() - self.away

    def remaining(self) -> float:
        """Return for how many seconds an answer may still be waited for."""
        return self.until - time.monotonic()

    def at_most(self, seconds: float) -> float:
        """Return for how many of these seconds something else may be waited for, as a lock."""
        return max(0.0, min(seconds, self.remaining()))

    @contextmanager
    def no_retries(self) -> Iterator[None]:
        """Retry nothing meanwhile, and wait for a silent database once, as who is about to end does."""
        before, self.timeout, self.until = self.timeout, 0.0, time.monotonic() + LEAVING
        try:
            yield
        finally:
            self.timeout, self.until = before, math.inf


outage: Final = Outage()


def with_retries(call: Callable[[], Answer]) -> Answer:
    """Call, retrying for `outage.timeout` seconds while nothing answers; raise `StudyError` then, and for a refusal."""
    deadline = time.monotonic() + outage.timeout
    while True:
        try:
            return call()
        except (exc.SQLAlchemyError, StorageInternalError) as error:
            if not away(error):
                if line := refusal(error):
                    raise StudyError(line) from None
                raise
            outage.missed()
            if time.monotonic() > deadline:
                raise StudyError(silent(error)) from None
            time.sleep(1.0)


def hide_password(url: str) -> str:
    """Return an address as it may be printed: without a password, also where it is no address."""
    for pattern, instead in SECRETS:
        url = pattern.sub(instead, url)
    return url


def address(url: str) -> str:
    """Return `url` as SQLAlchemy's address of PostgreSQL through psycopg 3; `StudyError` where it is none."""
    try:
        location = make_url(url)
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        location = None
    if location is not None and "@" in (location.host or ""):
        raise StudyError(f"--storage {hide_password(url)}: an @ too many; in a name or a password write @ as %40")
    if location is None or location.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StudyError(
            f"--storage {hide_password(url) or repr(url)}: not an address of PostgreSQL; give "
            "postgresql://user@host:5432/database, or leave --storage out for the journal under --root"
        )
    return location.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def unreachable(url: str, error: Exception) -> StudyError:
    """Return the line for a database that does not answer, without its password."""
    if line := refusal(error):
        return StudyError(line.replace("--storage:", f"--storage {hide_password(url)}:", 1))
    return StudyError(
        f"--storage {hide_password(url)}: no answer ({reason(error) or type(error).__name__}); is the server up, and "
        "may this user connect?"
    )
