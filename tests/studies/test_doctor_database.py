"""What `bam doctor` reads out of a real PostgreSQL: its version, trials and leases without a sign of life."""

from __future__ import annotations

import optuna
import psycopg
import pytest

from lightning_bam.config import Run
from studies.doctor import Scene
from studies.doctor.accounts import accounts
from studies.postgres import GRACE
from studies.processes import forkserver
from studies.registry import Registry
from studies.storage import database


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
    registry = Registry(postgres, "far", "/far/runs", "far:1", GRACE)
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
