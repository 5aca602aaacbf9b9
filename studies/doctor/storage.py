"""Where Optuna keeps the studies: is the journal whole, does PostgreSQL answer, and may this user write there?"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightning_bam.json_text import shortened
from lightning_bam.run_folder.files import FolderError
from studies.doctor import Finding
from studies.errors import StudyError
from studies.storage.connection import engine_options
from studies.storage.journal import Journal
from studies.storage.postgres import GRACE, address, refusal_and_mend, unreachable

PROBES: Final = {
    "studies": "INSERT INTO studies (study_name) VALUES ('bam doctor')",
    "bam_runs": "INSERT INTO bam_runs (key, state) VALUES ('bam doctor', 'interrupted')",
}
"""What is written for a try into each table that a run needs."""
CONNECT: Final = "start the server, or mend the address, pg_hba.conf or the password (~/.pgpass)"
STALE: Final = sa.text(
    "SELECT key, host FROM bam_runs WHERE state = 'running' AND beat < now() - make_interval(secs => :grace)"
)


def journal(root: Path) -> Iterator[Finding]:
    """Read the journal as Optuna does, without changing it; its last line may be one that is being written."""
    path = root / "studies.journal"
    mend = shlex.join(["mv", str(path), f"{path}.torn"])
    mend += ", while nothing trains there; the run folders hold every result, and the next run makes a new journal"
    try:
        if not os.path.lexists(path):
            yield Finding("journal", "ok", f"none yet under {root}")
            return
        lines = sum(1 for _ in Journal(path).read_logs(0))
    except OSError as error:
        share = "have its owner share it, or choose another --root or BAM_ROOT"
        yield Finding("journal", "problem", f"{path}: cannot be read ({error.strerror})", share)
    except FolderError as error:
        yield Finding("journal", "problem", str(error), mend)
    else:
        yield Finding("journal", "ok", f"{path} is whole, {lines} lines")


def database(url: str) -> Iterator[Finding]:
    """Ask PostgreSQL for its version, for tables that fit, for leave to write, and for hosts without a heartbeat."""
    try:
        engine = sa.create_engine(address(url), poolclass=sa.NullPool, **engine_options())
        with engine.connect() as connection:
            yield from _database(connection)
    except StudyError as error:
        yield Finding("database", "problem", str(error))
    except SQLAlchemyError as error:
        line, mend = refusal_and_mend(error) or (str(unreachable(url, error)), CONNECT)
        yield Finding("database", "problem", line, mend)


def _database(connection: sa.Connection) -> Iterator[Finding]:
    """Write what a run writes first, and take it back; then look for leases of hosts without a heartbeat."""
    version = connection.execute(sa.text("SHOW server_version")).scalar()
    tables = set(sa.inspect(connection).get_table_names())
    stale = connection.execute(STALE, {"grace": GRACE}).all() if "bam_runs" in tables else []
    holds = "holds studies" if "studies" in tables else "empty so far"
    finding = Finding("database", "ok", f"PostgreSQL {version} answers, {holds}")
    try:
        for table, probe in PROBES.items():
            connection.execute(sa.text(probe if table in tables else f"CREATE TABLE {table} (probe integer)"))
            connection.rollback()
    except DBAPIError as error:
        if (refused := refusal_and_mend(error)) is None:
            raise
        finding = Finding("database", "problem", f"PostgreSQL {version} answers, but {refused[0]}", refused[1])
    yield finding
    if stale:
        runs = shortened(", ".join(f"{key} ({host})" for key, host in stale))
        mend = "any `bam worker` or `bam run` of the study takes them over"
        yield Finding("leases", "warning", f"{len(stale)} held by hosts silent for {GRACE} s: {runs}", mend)
