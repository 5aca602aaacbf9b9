"""The runs of all hosts in PostgreSQL: who trains which, and what came of it where the runs folder is not shared.

One table, a row a run. A lease is a row with a holder and a heartbeat younger than `GRACE`; taking one is a single
statement, so two hosts cannot both have it. The database's clock counts, never a host's.
"""

from __future__ import annotations

import gzip
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from lightning_bam.run_folder.lock import HARMLESS, LIMIT, still_held, wait_until
from lightning_bam.run_folder.manifest import MOST
from studies.coordination.coordination import Coordination, Entry
from studies.coordination.location import Place
from studies.errors import StudyError
from studies.storage.connection import engine_options
from studies.storage.postgres import GRACE, address, patience, unreachable

LONGEST: Final = 16
"""Characters of a run's key and of a state."""
METADATA = sa.MetaData()
RUNS = sa.Table(
    "bam_runs",
    METADATA,
    sa.Column("key", sa.String(LONGEST), primary_key=True),
    sa.Column("state", sa.String(LONGEST), nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("host", sa.Text),
    sa.Column("root", sa.Text),
    sa.Column("folder", sa.Text),
    sa.Column("beat", sa.DateTime(timezone=True)),
    sa.Column("record", sa.LargeBinary),
    sa.Column("losses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
)


def make(connection: sa.Connection) -> None:
    """Make the table where there is none, and add the columns that one of an earlier version lacks.

    Raises:
        StudyError: it lacks some, and belongs to another user.

    """
    METADATA.create_all(connection)
    there = {column["name"] for column in sa.inspect(connection).get_columns(RUNS.name)}
    for column in RUNS.columns:
        if column.name not in there:
            words = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            try:
                connection.execute(sa.text(f"ALTER TABLE {RUNS.name} ADD COLUMN {words}"))
            except ProgrammingError:
                raise StudyError(
                    f"--storage: its table {RUNS.name} is of an earlier version, without {column.name!r}; call any "
                    "verb with --storage once as the user who owns it"
                ) from None


CATALOG: Final = sa.func.pg_catalog
"""PostgreSQL's own functions: in a schema where others may create, one of theirs may fit an argument better."""
LOCK = 0x62616D  # "bam": what `exclusively` locks
STORED: Final = 2**21
"""Bytes of a record as it is stored: two thousand epochs have a hundred thousand."""
UNPACKED: Final = 2**24
"""Bytes of its text: ten thousand epochs have four million, the ends of 64 logs one."""
AT_ONCE: Final = 64
"""Records that are fetched at a time, which bounds the memory that they can take."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
PAUSE = 0.1
"""Seconds between two tries to take a lock of the database."""
HOLDERS = sa.text(
    "SELECT a.pid, a.usename, a.application_name, host(a.client_addr) FROM pg_locks l JOIN pg_stat_activity a "
    "USING (pid) JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND l.granted "
    "AND d.datname = current_database() AND l.classid = 0 AND l.objid = :lock AND l.objsubid = 1 ORDER BY a.pid"
)
"""The sessions that hold an advisory lock, as far as this user may see them."""


class Registry(Coordination):
    """The table of runs at `url`, in PostgreSQL.

    Args:
        url: `postgresql://user@host:port/database`.
        place: this host's runs folder.
        holder: this process.
        grace: seconds without a heartbeat after which a lease may be taken over.

    Raises:
        StudyError: the database does not answer, another user's table in it is of an earlier version, or another
            session makes it for too long.

    """

    shared = True

    def __init__(self, url: str, place: Place, holder: str, grace: float) -> None:
        self.place, self.holder, self.grace = place, holder, grace
        self.engine = sa.create_engine(address(url), **engine_options())
        try:
            with self.engine.begin() as connection:
                _lock(connection, LOCK + 1)
                make(connection)
        except StudyError:
            self.engine.dispose()
            raise
        except (SQLAlchemyError, ImportError) as error:
            self.engine.dispose()
            raise unreachable(url, error) from None

    def take(self, key: str, *, again: datetime | None = None) -> bool:
        """Take the lease of a run; say whether it is ours now.

        It is not where the run is complete, or somebody else's who has sent a heartbeat within `grace` seconds.
        A holder on this host and root is known for dead already: the caller holds the run folder's lock.

        Args:
            key: the run's key.
            again: take it although it failed, if that attempt's last heartbeat was this one.

        """
        failed = sa.and_(RUNS.c.state == "failed", RUNS.c.beat == again) if again else sa.false()
        free = sa.and_(sa.or_(RUNS.c.state.not_in(("complete", "failed")), failed), self._free())
        ours = {
            "state": "running",
            "holder": self.holder,
            "host": self.place.host,
            "root": self.place.root,
            "folder": self.place.folder,
            "beat": sa.func.now(),
        }
        # in the same runs folder whoever takes it counts for himself, and knows how far it had come
        died = sa.and_(RUNS.c.holder.is_not(None), RUNS.c.folder.is_distinct_from(self.place.folder))
        retried = RUNS.c.state == "failed"
        counts = {
            "losses": sa.case((retried, 0), (died, _believed(RUNS.c.losses) + 1), else_=RUNS.c.losses),
            "retries": sa.case((retried, _believed(RUNS.c.retries) + 1), else_=RUNS.c.retries),
        }
        statement = (
            insert(RUNS)
            .values(key=key, **ours)
            .on_conflict_do_update(index_elements=["key"], set_={**ours, **counts}, where=free)
            .returning(RUNS.c.key)
        )
        with self.engine.begin() as connection:
            return connection.execute(statement).first() is not None

    def losses(self, key: str) -> tuple[int, int]:
        """Return how often a run was interrupted on all hosts since it was last tried again, and how often that was."""
        with self.engine.connect() as connection:
            counts = sa.select(_believed(RUNS.c.losses), _believed(RUNS.c.retries))
            row = connection.execute(counts.where(RUNS.c.key == key)).first()
        return (row[0], row[1]) if row is not None else (0, 0)

    def _free(self) -> sa.ColumnElement[bool]:
        """Nobody has the run, or somebody here who is dead, or one who could send heartbeats and has not for long.

        While the database was away nobody could: what counts is the time since it is back.
        """
        free = [RUNS.c.holder.is_(None), self._here(), RUNS.c.beat.is_(None), RUNS.c.beat > self._soon()]
        if patience.since() > self.grace:
            long_ago = sa.func.now() - CATALOG.make_interval(0, 0, 0, 0, 0, 0, self.grace)
            free.append(sa.and_(RUNS.c.beat < long_ago, sa.func.pg_postmaster_start_time() < long_ago))
        return sa.or_(*free)

    def _soon(self) -> sa.ColumnElement[datetime]:
        """Return a time that no heartbeat can be later than: they are all by the database's clock."""
        return sa.func.now() + CATALOG.make_interval(0, 0, 0, 0, 0, 1)

    def _here(self) -> sa.ColumnElement[bool]:
        """Say that this host has the run, or had it, under this runs folder."""
        place = self.place
        return sa.and_(RUNS.c.host == place.host, RUNS.c.root == place.root, RUNS.c.folder == place.folder)

    def heartbeat(self, keys: Iterable[str]) -> set[str]:
        """Send a heartbeat for these runs, and return those of them that somebody else has taken over.

        One whose row another transaction has locked is left for the next time: the others do not wait for it.
        """
        wanted = set(keys)
        if not wanted:
            return set()
        mine = sa.and_(RUNS.c.key.in_(wanted), RUNS.c.holder == self.holder)
        unlocked = sa.select(RUNS.c.key).where(mine).with_for_update(skip_locked=True)
        with self.engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(RUNS.c.key.in_(unlocked)).values(beat=sa.func.now()))
            return wanted - set(connection.execute(sa.select(RUNS.c.key).where(mine)).scalars())

    def give_back(self, key: str, state: str, record: Mapping[str, Any] | None = None, *, losses: int = 0) -> None:
        """End a lease and say what became of the run, with its record where there is one to keep.

        Args:
            key: the run's key.
            state: its state.
            record: what there is of it.
            losses: how often it was interrupted, on all hosts together.

        """
        values: dict[str, Any] = {"state": state, "holder": None, "losses": losses}
        if record is not None:
            values["record"] = gzip.compress(json.dumps(record).encode())
        mine = sa.and_(RUNS.c.key == key, RUNS.c.holder == self.holder)
        with self.engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(mine).values(**values))

    def publish(self, key: str, state: str, record: Mapping[str, Any]) -> None:
        """Tell of a run that has ended without a lease, or whose lease nobody gave back, unless that is known.

        Whoever trains it anew meanwhile learns with its next heartbeat that the run is not its own any more.
        """
        told = {"state": state, "record": gzip.compress(json.dumps(record).encode()), "holder": None}
        statement = insert(RUNS).values(key=key, **told)
        untold = RUNS.c.state != "complete"
        statement = statement.on_conflict_do_update(index_elements=["key"], set_=told, where=untold)
        with self.engine.begin() as connection:
            connection.execute(statement)

    def entries(self) -> dict[str, Entry]:
        """Return what is known of every run, without the records; a heartbeat that no clock gave is none.

        Keys and states are no longer than ours, also in a table that somebody else has made.
        """
        grace = CATALOG.make_interval(0, 0, 0, 0, 0, 0, self.grace)
        alive = sa.and_(RUNS.c.beat >= sa.func.now() - grace, RUNS.c.beat <= self._soon())
        said = {"alive": alive, "here": self._here()}
        columns = [sa.func.coalesce(what, sa.false()).label(name) for name, what in said.items()]
        with self.engine.connect() as connection:
            beat = sa.case((sa.and_(RUNS.c.beat > EARLIEST, RUNS.c.beat <= self._soon()), RUNS.c.beat))
            holder = CATALOG.left(RUNS.c.holder, 256)
            state = CATALOG.left(RUNS.c.state, LONGEST)
            known = sa.select(RUNS.c.key, state, holder, *columns, beat).where(CATALOG.length(RUNS.c.key) <= LONGEST)
            rows = connection.execute(known)
            return {row.key: Entry(*row) for row in rows}

    def records(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records of these runs, as far as there are any; one that is damaged or too large is empty."""
        wanted = list(keys)
        found = {}
        with self.engine.connect() as connection:
            small = sa.case((CATALOG.octet_length(RUNS.c.record) <= STORED, RUNS.c.record)).label("record")
            for start in range(0, len(wanted), AT_ONCE):
                part = wanted[start : start + AT_ONCE]
                chosen = sa.select(RUNS.c.key, small).where(RUNS.c.key.in_(part), RUNS.c.record.is_not(None))
                for row in connection.execute(chosen):
                    found[row.key] = unpacked(row.record) if row.record is not None else {}
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """Take back what was told of these runs, unless somebody has them by now."""
        told = sa.and_(RUNS.c.key.in_(list(keys)), RUNS.c.state != "running")
        with self.engine.begin() as connection:
            connection.execute(sa.delete(RUNS).where(told))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other host out of what is done meanwhile.

        Raises:
            StudyError: another session has had the lock for too long.

        """
        with self.engine.begin() as connection:
            _lock(connection, LOCK)
            yield


def unpacked(stored: bytes) -> dict[str, Any]:
    """Return the object that a stored record holds, empty for one that is damaged, or larger than a record can be."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip's
    try:
        text = reader.decompress(stored, UNPACKED)
        data = json.loads(text, parse_constant=_refuse, parse_float=_finite) if reader.eof else None
    except (zlib.error, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    """Return a number; 1e999 is written like one, and is none."""
    if not isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _believed(count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return a count, as far as it can be one."""
    return sa.func.least(sa.func.greatest(count, 0), MOST)


def _lock(connection: sa.Connection, number: int) -> None:
    """Take an advisory lock for the rest of a transaction.

    It is asked for again and again: a server that makes us wait cannot be told from one that hangs.

    Raises:
        StudyError: another session has had it for too long.

    """
    taken = sa.select(sa.func.pg_try_advisory_xact_lock(number))
    what, limit = f"--storage: its advisory lock {number}", patience.at_most(LIMIT)
    if not wait_until(
        lambda: bool(connection.execute(taken).scalar()), what, lambda: _holders(connection, number), limit, PAUSE
    ):
        raise StudyError(f"{what}: {still_held(_holders(connection, number), limit)}")


def _holders(connection: sa.Connection, number: int) -> str:
    """Say which sessions hold an advisory lock; what they call themselves is only shown where it does no harm."""
    told = []
    for pid, user, application, host in connection.execute(HOLDERS, {"lock": number}):
        called = [f"user {user!r}", *([application] if HARMLESS.fullmatch(application or "") else [])]
        told.append(f"session {pid} ({', '.join([*called, f'from {host}' if host else 'on its own host'])})")
    return " and ".join(told) or "a session that has just let go of it"


def open_registry(root: Path, url: str) -> Registry:
    """Open the registry of runs at `url`, as this process on this host with this runs folder.

    Raises:
        StudyError: the database does not answer.

    """
    place = Place.of(root)
    return Registry(url, place, f"{place.host}:{os.getpid()}:{time.time_ns()}", GRACE)
