"""Optuna's account of the studies, in the journal or in PostgreSQL: is it whole, and does it say who is gone?"""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import optuna
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightning_bam.run_folder.files import FolderError, inside, open_plain
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import locked
from studies.coordination.process_lock import FOLDER
from studies.doctor.finding import Finding, Scene, listed, ok, problem, warning
from studies.errors import StudyError
from studies.storage.connection import engine_options
from studies.storage.optuna_storage import FOREIGN, MIGRATE
from studies.storage.postgres import GRACE, address, refusal, unreachable

STALE_TRIALS: Final = sa.text(
    "SELECT s.study_name, count(*) FROM trials t JOIN studies s ON s.study_id = t.study_id "
    "LEFT JOIN trial_heartbeats h ON h.trial_id = t.trial_id WHERE t.state = 'RUNNING' "
    "AND (h.heartbeat IS NULL OR h.heartbeat < now() - make_interval(secs => :grace)) GROUP BY s.study_name"
)
PROBES: Final = {
    "studies": "INSERT INTO studies (study_name) VALUES ('bam doctor')",
    "bam_runs": "INSERT INTO bam_runs (key, state) VALUES ('bam doctor', 'interrupted')",
}
"""What is written for a try into each table that a run needs."""
STALE_RUNS: Final = sa.text(
    "SELECT key, host FROM bam_runs WHERE state = 'running' AND beat < now() - make_interval(secs => :grace)"
)


def accounts(scene: Scene) -> Iterator[Finding]:
    """Read the account without changing it."""
    if scene.storage is not None:
        yield from database(scene.storage)
    path = scene.root / "studies.journal"
    try:
        if not os.path.lexists(path):
            if scene.storage is None:
                yield ok("journal", f"none yet under {scene.root}")
            return
        found = [*torn(path)]
    except OSError as error:
        mend = "have its owner share it, or choose another --root or BAM_ROOT"
        yield problem("journal", f"{path}: cannot be read ({error.strerror})", mend)
        return
    except FolderError as error:
        yield problem("journal", str(error).partition(";")[0], anew(path))
        return
    yield from found
    if all(finding.level != "problem" for finding in found):
        yield from trials(path, scene.root)


def anew(path: Path) -> str:
    """Return what makes room for a new journal."""
    return (
        f"{shlex.join(['mv', str(path), f'{path}.torn'])}, while nothing trains there; the run folders hold every "
        "result, and the next run makes a new journal"
    )


def torn(path: Path) -> Iterator[Finding]:
    """Read the journal line by line."""
    number = 0
    with os.fdopen(open_plain(path), "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                yield warning(
                    "journal",
                    f"{path} ends in half a line ({line[-20:]!r}): its writer was killed, or is writing it now",
                    "nothing to do: the next writer cuts it off, and nobody has been told that it was written",
                )
                return
            try:
                whole = isinstance(json.loads(line), dict)
            except ValueError:
                whole = False
            if not whole:
                yield problem("journal", f"{path} is torn: line {number} is {line[:40]!r}", anew(path))
                return
    yield ok("journal", f"{path} is whole, {number} lines")


def trials(path: Path, root: Path) -> Iterator[Finding]:
    """Look for trials that the journal says are running, whose run nobody trains."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    stale: Counter[str] = Counter()
    for study in storage.get_all_studies():
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            stale[study.study_name] += not _trained(root, trial.user_attrs)
    yield _stale(+stale)


def _trained(root: Path, attributes: dict[str, Any]) -> bool:
    """Say whether somebody trains the run of a trial, or the search that asked for the trial lives."""
    try:
        held = RunFolder(inside(root, attributes.get("key"))).state() == "running"
        return held or locked(inside(root / FOLDER, attributes.get("owner")))
    except FolderError:  # a torn folder is told of with the leases
        return False


def _stale(found: Counter[str]) -> Finding:
    if not found:
        return ok("trials", "none is running without somebody training it")
    told = listed([f"{count} of {study}" for study, count in sorted(found.items())])
    mend = "the next `bam run` (or `bam search`, `bam worker`) of that study closes them"
    return warning("trials", f"{found.total()} say that they are running, and nobody trains them: {told}", mend)


def foreign(connection: sa.Connection, there: set[str]) -> Iterator[tuple[str, str]]:
    """Say whether the tables are another Optuna's, and what mends that."""
    if "alembic_version" in there:
        steps = ScriptDirectory(str(Path(optuna.storages.__file__).parent / "_rdb" / "alembic"))
        if connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() != steps.get_current_head():
            yield FOREIGN, MIGRATE


def unwritable(connection: sa.Connection, there: set[str]) -> Iterator[tuple[str, str]]:
    """Write what a run writes first, take it back, and say what was refused."""
    for table, probe in PROBES.items():
        statement = probe if table in there else f"CREATE TABLE {table} (probe integer)"
        connection.rollback()
        try:
            connection.execute(sa.text(statement))
        except DBAPIError as error:
            line = refusal(error)
            if line is None:
                raise
            found, _, mend = line.removeprefix("--storage: ").partition("; ")
            yield found, mend
            return
        finally:
            connection.rollback()


def database(url: str) -> Iterator[Finding]:
    """Ask PostgreSQL for its version, for tables that fit, for leave to write, and for who shows no sign of life."""
    try:
        engine = sa.create_engine(address(url), **engine_options())
    except StudyError as error:
        yield problem("database", str(error), "give --storage as postgresql://user@host:5432/database")
        return
    try:
        with engine.connect() as connection:
            version = str(connection.execute(sa.text("SHOW server_version")).scalar())
            there = set(sa.inspect(connection).get_table_names())
            grace = {"grace": GRACE}
            stale = list(connection.execute(STALE_TRIALS, grace)) if "trial_heartbeats" in there else []
            leases = list(connection.execute(STALE_RUNS, grace)) if "bam_runs" in there else []
            wrong = [*foreign(connection, there), *unwritable(connection, there)]
    except (SQLAlchemyError, ImportError) as error:
        said, _, mend = str(unreachable(url, error)).partition("; ")
        if not refusal(error):
            said, mend = (
                f"{said}; {mend}",
                "start the server, or mend the address, pg_hba.conf or the password (~/.pgpass)",
            )
        yield problem("database", said, mend)
        return
    finally:
        engine.dispose()
    holds = "holds studies" if "studies" in there else "empty so far"
    for found, mend in wrong:
        yield problem("database", f"PostgreSQL {version} answers, but {found}", mend)
    if not wrong:
        yield ok("database", f"PostgreSQL {version} answers, {holds}")
    yield _stale(Counter({str(row[0]): int(row[1]) for row in stale}))
    if leases:
        told = listed([f"{key} ({host})" for key, host in leases])
        mend = "any `bam worker` or `bam run` of the study takes them over"
        yield warning("leases", f"{len(leases)} held by hosts silent for {GRACE} s: {told}", mend)
