"""The table in PostgreSQL that holds the runs of all hosts, a row a run."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from studies.errors import StudyError

METADATA = sa.MetaData()
RUNS = sa.Table(
    "bam_runs",
    METADATA,
    sa.Column("key", sa.String(16), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
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
