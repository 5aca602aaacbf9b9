"""What `bam doctor` reads out of a real PostgreSQL: its version, trials and leases without a sign of life."""

from __future__ import annotations

import optuna
import psycopg
import pytest
from sqlalchemy.engine import make_url

from analysis.cli import main
from lightning_bam.config import Run
from studies.coordination.location import Place
from studies.coordination.registry import Registry
from studies.doctor import Scene
from studies.doctor.accounts import accounts
from studies.storage.optuna_storage import database
from studies.storage.postgres import GRACE
from studies.workers.forkserver import forkserver

STUDY = """
from tests.studies.conftest import tiny
STUDY = tiny(seeds=1)
"""


def told(scene):
    return {finding.check: finding for finding in accounts(scene)}


def test_hosts_that_have_gone_silent(postgres, tmp_path):
    scene = Scene(tmp_path / "runs", postgres, forkserver())
    found = told(scene)
    assert found["database"].level == "ok"
    assert found["database"].found.endswith("answers, empty so far")
    with psycopg.connect(postgres) as connection:
        tables = connection.execute("select count(*) from information_schema.tables where table_schema = 'public'")
        assert tables.fetchone() == (0,), "an examination makes no tables"

    storage = database(postgres)
    study = optuna.create_study(storage=storage, study_name="mine")
    with pytest.warns(UserWarning, match=r"supposed to be used with Study\.optimize"):
        trial = study.ask()
    storage.record_heartbeat(trial._trial_id)
    registry = Registry(postgres, Place("far", "/far/runs", ""), "far:1", GRACE)
    assert registry.take(Run().key)
    found = told(scene)
    assert found["database"].found.endswith("answers, holds studies")
    assert found["trials"].level == "ok"
    assert "leases" not in found
    storage.engine.dispose()
    registry.close()

    with psycopg.connect(postgres) as connection:
        connection.execute(f"update trial_heartbeats set heartbeat = heartbeat - interval '{GRACE + 1} s'")
        connection.execute(f"update bam_runs set beat = beat - interval '{GRACE + 1} s'")
    found = told(scene)
    assert found["trials"].level == found["leases"].level == "warning"
    assert found["trials"].found == "1 say that they are running, and nobody trains them: 1 of mine"
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


def refusals(scene, words, capsys):
    """Return what the doctor and `bam run` say of a database."""
    found = told(scene)["database"]
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
    found, said = refusals(Scene(tmp_path / "runs", reader, forkserver()), [*words, reader], capsys)
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
            found, said = refusals(Scene(tmp_path / "runs", guest, forkserver()), [*words, guest], capsys)
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
    found, said = refusals(Scene(tmp_path / "runs", postgres, forkserver()), [*words, postgres], capsys)
    doing = "INSERT" if made else "CREATE TABLE"
    assert found.found.endswith(f"refuses (cannot execute {doing} in a read-only transaction)")
    assert found.mend.startswith(
        "it is read-only: name the primary server, or switch default_transaction_read_only off"
    )
    assert f"the database refuses (cannot execute {doing[:8]}" in said
    assert " in a read-only transaction); it is read-only: name the primary server, or " in said


def test_tables_of_another_optuna(postgres, tmp_path, words, capsys):
    scene = Scene(tmp_path / "runs", postgres, forkserver())
    database(postgres).engine.dispose()
    assert told(scene)["database"].level == "ok"
    with psycopg.connect(postgres, autocommit=True) as connection:
        assert connection.execute("select count(*) from studies").fetchone() == (0,), "the probe is taken back"
        connection.execute("update alembic_version set version_num = 'v9.9.9'")
    found, said = refusals(scene, [*words, postgres], capsys)
    assert found.found.endswith(f" answers, but its tables are another Optuna's than {optuna.__version__}")
    assert found.mend.startswith("give a database of its own, install the Optuna that made them, or, ")
    assert said.startswith(
        f"bam: --storage {postgres}: its tables are another Optuna's than {optuna.__version__}; give "
    )
