"""A PostgreSQL that goes away in the middle: every connection is cut, and no new one is let in."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace

import optuna
import psycopg
import pytest
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import make_url

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from studies.engine.run_study import run_study
from studies.records.records import gather
from studies.search.method import Method
from studies.search.run_search import run_search
from studies.search.search import Search
from studies.storage import postgres as database
from studies.storage.optuna_storage import close_storage, open_storage
from tests.studies.conftest import silent, tiny
from tests.studies.search.test_search import space


class Outage:
    """Cuts a database off, and lets it come back."""

    def __init__(self, url):
        self.name = make_url(url).database
        self.server = os.environ["BAM_TEST_POSTGRES"]
        self.over = threading.Event()

    def begin(self):
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"alter database {self.name} with allow_connections false")
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self.name])

    def end(self):
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"alter database {self.name} with allow_connections true")

    def once_trained(self, root, seconds=None):
        """Begin when a run under `root` has finished; end after `seconds`, or not at all."""

        def wait():
            while not list(root.glob("*/result.json")):
                time.sleep(0.02)
            self.begin()
            self.over.set()
            if seconds is not None:
                time.sleep(seconds)
                self.end()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def outage(postgres):
    made = Outage(postgres)
    yield made
    with suppress(psycopg.Error):
        made.end()


def states_of(root, url, name="tiny"):
    storage = open_storage(root, url)
    try:
        return [t.state for t in optuna.load_study(study_name=name, storage=storage).get_trials()]
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_a_study_outlives_an_outage(tmp_path, postgres, outage, one_slot):
    thread = outage.once_trained(tmp_path, seconds=4)
    progress = run_study(tiny(), tmp_path, replace(one_slot, storage=postgres), silent)
    thread.join()
    assert len(progress.finished) == 4
    assert [record.state for record in gather(tiny(), tmp_path)] == ["complete"] * 4
    told = states_of(tmp_path, postgres)
    assert told.count(TrialState.COMPLETE) == 4
    assert TrialState.RUNNING not in told


def test_a_search_outlives_an_outage(tmp_path, postgres, outage, two_slots):
    root, small = tmp_path / "runs", space()
    small = replace(small, base=replace(small.base, recipe=replace(small.base.recipe, epochs=4)))
    with closing(Search(root, small, Method(trials=4, sampler="brute"), postgres)) as search:
        thread = outage.once_trained(root, seconds=4)
        progress = run_search(search, replace(two_slots, storage=postgres), silent)
        thread.join()
        assert outage.over.is_set()
        assert not progress.failed
        trials = search.optuna.get_trials()
    assert [trial.state.is_finished() for trial in trials] == [True] * 4
    assert len({trial.user_attrs["key"] for trial in trials}) == 4, "each configuration is asked for once"
    for trial in trials:
        metrics = RunFolder(root / trial.user_attrs["key"]).metrics()
        told = {line["epoch"]: line["error_top1"] for line in metrics}
        assert trial.state == TrialState.PRUNED or trial.intermediate_values == told


STUDY = """
from tests.studies.conftest import tiny
STUDY = tiny()
"""


def test_a_database_that_stays_away_is_one_line_and_nothing_is_lost(tmp_path, postgres, outage, monkeypatch, capfd):
    monkeypatch.setattr(database.outage, "timeout", 2.0)
    (tmp_path / "tiny.py").write_text(STUDY)
    root = tmp_path / "runs"
    words = [str(tmp_path / "tiny.py"), "--root", str(root), "--storage", postgres]
    train = ["run", *words, "--devices", "cpu:1", "--wandb", "off"]
    outage.once_trained(root)
    assert main(train) == 2
    assert outage.over.is_set()
    said = capfd.readouterr().err
    last = said.strip().splitlines()[-1]
    assert last.startswith("bam: --storage: the database does not answer any more (")
    assert last.endswith("); the run folders hold what was trained: once it is back, the same command goes on")
    assert "Traceback" not in said
    states = [record.state for record in gather(tiny(), root)]
    assert "complete" in states
    assert "running" not in states, "nobody trains on behind our back"
    assert main(["status", *words]) == 2
    assert "Traceback" not in capfd.readouterr().err
    outage.end()
    assert main(train) == 0
    assert [record.state for record in gather(tiny(), root)] == ["complete"] * 4
    told = states_of(root, postgres)
    assert told.count(TrialState.COMPLETE) == 4
    assert TrialState.RUNNING not in told


def test_a_connection_that_breaks_while_trials_are_read_is_waited_out(tmp_path, postgres, outage):
    storage = open_storage(tmp_path, postgres)
    study = optuna.create_study(storage=storage, study_name="read")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    broken = []

    def breaks(_connection, _cursor, statement, *_):
        if "trial_user_attributes" in statement and not broken:
            broken.append(statement)
            outage.begin()
            outage.end()

    event.listen(storage.engine, "before_cursor_execute", breaks)
    assert [trial.value for trial in database.with_retries(lambda: study.get_trials(deepcopy=False))] == [1.0]
    assert len(broken) == 1
    close_storage(storage)


def test_an_error_of_ours_is_not_waited_out():
    calls = []

    def wrong():
        calls.append(1)
        raise database.exc.SQLAlchemyError("a wrong statement")

    with pytest.raises(database.exc.SQLAlchemyError, match="a wrong statement"):
        database.with_retries(wrong)
    assert calls == [1]
