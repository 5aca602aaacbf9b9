"""What `bam doctor` reads out of a journal and of a real PostgreSQL: what is torn, refused, or without a heartbeat."""

from __future__ import annotations

import os

import optuna
import psycopg
import pytest
from sqlalchemy.engine import make_url

from analysis.cli import main
from lightning_bam.config import Run
from studies.coordination.location import Place
from studies.coordination.registry import Registry
from studies.doctor import storage as doctor
from studies.storage.journal import journal
from studies.storage.optuna_storage import database
from studies.storage.postgres import GRACE

STUDY = """
from tests.studies.conftest import tiny
STUDY = tiny(seeds=1)
"""


def told(url):
    return {finding.check: finding for finding in doctor.database(url)}


@pytest.fixture
def path(tmp_path):
    """Return a journal that has a trial."""
    study = optuna.create_study(storage=journal(tmp_path), study_name="mine")
    study.ask().set_user_attr("key", "0" * 16)
    return tmp_path / "studies.journal"


def test_no_journal(tmp_path):
    (found,) = doctor.journal(tmp_path / "runs")
    assert (found.level, found.found) == ("ok", f"none yet under {tmp_path}/runs")
    assert not list(tmp_path.iterdir())


def test_a_torn_journal(path):
    before = path.read_bytes()
    (found,) = doctor.journal(path.parent)
    assert (found.level, found.found) == ("ok", f"{path} is whole, {len(before.splitlines())} lines")
    path.write_bytes(before[:-10])
    (found,) = doctor.journal(path.parent)
    assert found.level == "ok", "its writer was killed, or is writing it now: the next one cuts it off"
    assert path.read_bytes() == before[:-10]
    lines = before.split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"garbage", *lines[1:]]))
    (found,) = doctor.journal(path.parent)
    assert found.level == "problem"
    assert found.found.startswith(f"{path}: torn, or not Optuna's journal (")
    assert found.mend.startswith(f"mv {path} {path}.torn, while nothing trains there; the run folders hold")


@pytest.mark.parametrize("end", [b"garbage", b"[" * 100_000 + b"\n"])
def test_a_journal_that_no_writer_mends(path, end):
    path.write_bytes(path.read_bytes() + end)
    (found,) = doctor.journal(path.parent)
    assert found.level == "problem"
    assert "torn, or not Optuna's journal" in found.found


def test_something_else_where_the_journal_should_be(tmp_path):
    path = tmp_path / "studies.journal"
    for what, make in (
        ("a pipe", lambda: os.mkfifo(path)),
        ("a link", lambda: path.symlink_to(tmp_path / "nowhere")),
        ("a folder", path.mkdir),
    ):
        make()
        (found,) = doctor.journal(tmp_path)
        assert (found.check, found.level) == ("journal", "problem")
        assert found.found.startswith(f"{path}: is {what}, not a plain file")
        assert found.mend.startswith(f"mv {path} {path}.torn, while nothing trains there; the run folders hold every")
        path.rename(tmp_path / what)


def test_a_database_that_does_not_answer():
    found = told("postgresql://me:secret@127.0.0.1:1/none")["database"]
    assert found.level == "problem"
    assert found.found.startswith("--storage postgresql://me:***@127.0.0.1:1/none: no answer (connection failed")
    assert found.mend.startswith("start the server, or mend the address, pg_hba.conf or the password")
    found = told("mysql://x/y")["database"]
    assert found.found.startswith("--storage mysql://x/y: not an address of PostgreSQL; give postgresql://user@host:")


def test_hosts_that_have_gone_silent(postgres):
    found = told(postgres)
    assert found["database"].level == "ok"
    assert found["database"].found.endswith("answers, empty so far")
    with psycopg.connect(postgres) as connection:
        tables = connection.execute("select count(*) from information_schema.tables where table_schema = 'public'")
        assert tables.fetchone() == (0,), "an examination makes no tables"

    database(postgres).engine.dispose()
    registry = Registry(postgres, Place("far", "/far/runs", ""), "far:1", GRACE)
    assert registry.take(Run().key)
    found = told(postgres)
    assert found["database"].found.endswith("answers, holds studies")
    assert "leases" not in found
    registry.close()

    with psycopg.connect(postgres) as connection:
        connection.execute(f"update bam_runs set beat = beat - interval '{GRACE + 1} s'")
    found = told(postgres)
    assert found["leases"].level == "warning"
    assert found["leases"].found == f"1 held by hosts silent for 60 s: {Run().key} (far)"
    assert found["leases"].mend == "any `bam worker` or `bam run` of the study takes them over"


@pytest.fixture
def reader(postgres):
    """Return the address of a database with our tables, for a user who may only read."""
    database(postgres).engine.dispose()
    Registry(postgres, Place("far", "/far/runs", ""), "far:1", GRACE).close()
    name = f"{make_url(postgres).database}_reader"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create role {name} login")
        connection.execute(f"grant select on all tables in schema public to {name}")
        yield make_url(postgres).set(username=name).render_as_string()
        connection.execute(f"drop owned by {name}")
        connection.execute(f"drop role {name}")


def refusals(url, words, capsys):
    """Return what the doctor and `bam run` say of a database."""
    found = told(url)["database"]
    assert found.level == "problem"
    assert main(["run", *words, "--devices", "cpu:1", "--wandb", "off"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return found, said


@pytest.fixture
def words(tmp_path):
    (tmp_path / "tiny.py").write_text(STUDY)
    return [str(tmp_path / "tiny.py"), "--root", str(tmp_path / "runs"), "--storage"]


def test_a_user_who_may_only_read(reader, tmp_path, words, capsys):
    found, said = refusals(reader, [*words, reader], capsys)
    assert found.found.endswith(" answers, but the database refuses (permission denied for table studies)")
    assert found.mend.startswith("GRANT this user INSERT, UPDATE and DELETE on its tables")
    assert said.startswith(
        "bam: --storage: the database refuses (permission denied for table studies); GRANT this user"
    )
    assert main(["status", *words, reader]) == 0, "who may read reads"


def test_a_user_who_may_not_make_the_tables(postgres, tmp_path, words, capsys):
    name = f"{make_url(postgres).database}_guest"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create role {name} login")
        try:
            guest = make_url(postgres).set(username=name).render_as_string()
            found, said = refusals(guest, [*words, guest], capsys)
        finally:
            connection.execute(f"drop role {name}")
    assert found.found.endswith(" answers, but the database refuses (permission denied for schema public)")
    assert said.startswith(
        f"bam: --storage {guest}: the database refuses (permission denied for schema public); GRANT "
    )


@pytest.mark.parametrize("made", [False, True])
def test_a_database_that_is_read_only(postgres, tmp_path, words, capsys, made):
    if made:
        database(postgres).engine.dispose()
        Registry(postgres, Place("far", "/far/runs", ""), "far:1", GRACE).close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        name = make_url(postgres).database
        connection.execute(f"alter database {name} set default_transaction_read_only = on")
    found, said = refusals(postgres, [*words, postgres], capsys)
    doing = "INSERT" if made else "CREATE TABLE"
    assert found.found.endswith(f"refuses (cannot execute {doing} in a read-only transaction)")
    assert found.mend.startswith(
        "it is read-only: name the primary server, or switch default_transaction_read_only off"
    )
    assert f"the database refuses (cannot execute {doing[:8]}" in said
    assert " in a read-only transaction); it is read-only: name the primary server, or " in said


def test_the_probe_is_taken_back(postgres):
    database(postgres).engine.dispose()
    assert told(postgres)["database"].level == "ok"
    with psycopg.connect(postgres, autocommit=True) as connection:
        assert connection.execute("select count(*) from studies").fetchone() == (0,)


def test_tables_of_another_optuna(postgres, words, capsys):
    database(postgres).engine.dispose()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = 'v9.9.9'")
    assert main(["run", *words, postgres, "--devices", "cpu:1", "--wandb", "off"]) == 2
    assert capsys.readouterr().err.startswith(
        f"bam: --storage {postgres}: its tables are another Optuna's than {optuna.__version__}; give "
    )
