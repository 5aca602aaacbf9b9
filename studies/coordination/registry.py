"""The runs of all hosts in PostgreSQL: who trains which, and what came of it where the runs folder is not shared.

One table, a row a run. A lease is a row with a holder and a heartbeat younger than `GRACE`; taking one is a single
statement, so two hosts cannot both have it. The database's clock counts, never a host's.
"""

import gzip
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from lightning_bam.json_text import parse
from lightning_bam.run_folder.lock import LIMIT, still_held, wait_until
from lightning_bam.run_folder.manifest import MOST
from studies.coordination.coordination import Coordination, Counts, Entry
from studies.coordination.location import Place
from studies.coordination.retries import ENDED, TABLE
from studies.errors import StudyError
from studies.storage.connection import engine_options
from studies.storage.postgres import GRACE, address, outage, unreachable

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
    """Make the table where there is none, and add the columns that one of an earlier version lacks."""
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
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
PAUSE = 0.1
"""Seconds between two tries to take a lock of the database."""
HOLDER: Final = "a session of it (`SELECT pid FROM pg_locks WHERE locktype = 'advisory'` says which)"


class Registry(Coordination):
    """The table of runs at `url`, for the process `holder` with the runs folder `place`.

    A lease may be taken over after `grace` seconds without a heartbeat. Raises `StudyError` where the database does not
    answer, or its table is another user's and of an earlier version.
    """

    shared = True

    def __init__(self, url: str, place: Place, holder: str, grace: float) -> None:
        self.place, self.holder, self.grace = place, holder, grace
        self.engine = sa.create_engine(address(url), **engine_options())
        try:
            with self.engine.begin() as connection:
                _lock(connection, LOCK + 1)
                make(connection)
        except (SQLAlchemyError, ImportError) as error:
            raise unreachable(url, error) from None

    def take(self, key: str, *, again: datetime | None = None) -> Counts | None:
        """Take the lease of a run by one statement; a holder under this root is dead, as its folder's lock is ours."""
        failed = sa.and_(RUNS.c.state == "failed", RUNS.c.beat == again) if again else sa.false()
        free = sa.and_(sa.or_(RUNS.c.state.not_in(ENDED), failed), self._free())
        ours = {
            "state": TABLE["take", "missing"].state,
            "holder": self.holder,
            "beat": sa.func.now(),
            **vars(self.place),
        }
        # in the same runs folder whoever takes it counts for himself, and knows how far it had come
        died = sa.and_(RUNS.c.holder.is_not(None), RUNS.c.folder.is_distinct_from(self.place.folder))
        retry, interruption = TABLE["retry", "failed"], TABLE["interruption", "running"]
        counts = {
            name: sa.case(
                (RUNS.c.state == "failed", _count(getattr(retry, name), RUNS.c[name])),
                (died, _count(getattr(interruption, name), RUNS.c[name])),
                else_=RUNS.c[name],
            )
            for name in Counts._fields
        }
        statement = (
            insert(RUNS)
            .values(key=key, **ours)
            .on_conflict_do_update(index_elements=["key"], set_={**ours, **counts}, where=free)
            .returning(*(_believed(RUNS.c[name]) for name in Counts._fields))
        )
        with self.engine.begin() as connection:
            row = connection.execute(statement).first()
        return None if row is None else Counts(row[0], row[1])

    def _free(self) -> sa.ColumnElement[bool]:
        """Nobody has the run, or a dead process here, or a host that has not sent a heartbeat for long but could have.

        While the database was away nobody could.
        """
        free = [RUNS.c.holder.is_(None), self._here()]
        if outage.since() > self.grace:
            free.append(sa.and_(sa.not_(self._alive()), sa.func.pg_postmaster_start_time() < self._after(-self.grace)))
        return sa.or_(*free)

    def _alive(self) -> sa.ColumnElement[bool]:
        """Whether the holder of a run has sent a heartbeat within `grace` seconds, by the database's clock."""
        lately = sa.and_(RUNS.c.beat >= self._after(-self.grace), RUNS.c.beat <= self._after(1.0))
        return sa.func.coalesce(lately, sa.false())

    def _after(self, seconds: float) -> sa.ColumnElement[datetime]:
        """Return the time so many seconds from now; no heartbeat can be later than in a second."""
        return sa.func.now() + CATALOG.make_interval(0, 0, 0, 0, 0, 0, seconds)

    def _here(self) -> sa.ColumnElement[bool]:
        """Whether this host has the run, or had it, under this runs folder."""
        return sa.and_(*(RUNS.c[name] == value for name, value in vars(self.place).items()))

    def heartbeat(self, keys: Iterable[str]) -> set[str]:
        """Send a heartbeat, and return what was taken over; a row that is locked is left for the next time."""
        leases = set(keys)
        if not leases:
            return set()
        mine = sa.and_(RUNS.c.key.in_(leases), RUNS.c.holder == self.holder)
        unlocked = sa.select(RUNS.c.key).where(mine).with_for_update(skip_locked=True)
        with self.engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(RUNS.c.key.in_(unlocked)).values(beat=sa.func.now()))
            return leases - set(connection.execute(sa.select(RUNS.c.key).where(mine)).scalars())

    def give_back(self, key: str, state: str, record: Mapping[str, Any] | None = None, *, losses: int = 0) -> None:
        """End a lease and say what became of the run."""
        values: dict[str, Any] = {"state": state, "holder": None, "losses": losses}
        if record is not None:
            values["record"] = packed(record)
        mine = sa.and_(RUNS.c.key == key, RUNS.c.holder == self.holder)
        with self.engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(mine).values(**values))

    def publish(self, key: str, state: str, record: Mapping[str, Any]) -> None:
        """Publish a run; whoever trains it anew meanwhile learns so with its next heartbeat."""
        values = {"state": state, "record": packed(record), "holder": None}
        statement = insert(RUNS).values(key=key, **values)
        statement = statement.on_conflict_do_update(
            index_elements=["key"], set_=values, where=RUNS.c.state != "complete"
        )
        with self.engine.begin() as connection:
            connection.execute(statement)

    def entries(self) -> dict[str, Entry]:
        """Return the entry of every run; in a table that others write to, a heartbeat that no clock gave is none."""
        clock = sa.and_(RUNS.c.beat > EARLIEST, RUNS.c.beat <= self._after(1.0))
        columns = (
            RUNS.c.key,
            CATALOG.left(RUNS.c.state, LONGEST),
            CATALOG.left(RUNS.c.holder, 256),
            self._alive(),
            sa.func.coalesce(self._here(), sa.false()),
            sa.case((clock, RUNS.c.beat)),
        )
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(CATALOG.length(RUNS.c.key) <= LONGEST))
            return {row.key: Entry(*row) for row in rows}

    def records(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the records of these runs, as far as there are any; one that is damaged or too large is empty."""
        small = sa.case((CATALOG.octet_length(RUNS.c.record) <= STORED, RUNS.c.record)).label("record")
        stored = sa.select(RUNS.c.key, small).where(RUNS.c.key.in_(list(keys)), RUNS.c.record.is_not(None))
        with self.engine.connect() as connection:
            rows = connection.execute(stored)
            return {row.key: unpacked(row.record) if row.record is not None else {} for row in rows}

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the rows of these runs, unless somebody has them by now."""
        free = sa.and_(RUNS.c.key.in_(list(keys)), RUNS.c.state != "running")
        with self.engine.begin() as connection:
            connection.execute(sa.delete(RUNS).where(free))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other host out of what is done meanwhile."""
        with self.engine.begin() as connection:
            _lock(connection, LOCK)
            yield


def packed(record: Mapping[str, Any]) -> bytes:
    """Return a record as it is stored."""
    return gzip.compress(json.dumps(record).encode())


def unpacked(stored: bytes) -> dict[str, Any]:
    """Return the object that a stored record holds, empty for one that is damaged, or larger than a record can be."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip's
    try:
        text = reader.decompress(stored, UNPACKED)
        data = parse(text) if reader.eof else None
    except (zlib.error, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _believed(counter: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.least(sa.func.greatest(counter, 0), MOST)


def _count(how: str, counter: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return {"": counter, "0": sa.literal(0), "+1": _believed(counter) + 1}[how]


def _lock(connection: sa.Connection, number: int) -> None:
    """Take an advisory lock for the rest of a transaction; tried again and again, as a server that waits may hang."""
    lock = sa.select(sa.func.pg_try_advisory_xact_lock(number))
    what, limit = f"--storage: its advisory lock {number}", outage.at_most(LIMIT)
    if not wait_until(lambda: bool(connection.execute(lock).scalar()), what, lambda: HOLDER, limit, PAUSE):
        raise StudyError(f"{what}: {still_held(HOLDER, limit)}")


def open_registry(root: Path, url: str) -> Registry:
    """Open the registry of runs at `url`, as this process on this host with this runs folder; see `Registry`."""
    place = Place.of(root)
    return Registry(url, place, f"{place.host}:{os.getpid()}:{time.time_ns()}", GRACE)
