"""Signs of life in a real PostgreSQL while the scheduler waits for something else."""

from __future__ import annotations

import fcntl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import optuna
import psycopg
import pytest
from optuna.storages import fail_stale_trials
from optuna.trial import TrialState

from studies import Space
from studies.coordination import registry
from studies.coordination.location import Place
from studies.coordination.registry import Registry
from studies.engine import heartbeat, scheduler
from studies.engine.run_study import run_study
from studies.search.method import Method
from studies.search.run_search import run_search
from studies.search.search import Search
from studies.storage import optuna_storage as storage
from studies.storage.optuna_storage import close_storage, open_storage, quiet_heartbeat
from studies.workers.launch import start
from tests.studies.conftest import BASE, tiny

LONG = replace(BASE, recipe=replace(BASE.recipe, epochs=500))
SPACE = Space(name="long", question="Which rate?", base=LONG, choices={"recipe.lr": ("0.1", "0.2")})
GRACE = 2


@pytest.fixture
def hurried(monkeypatch):
    """Let two seconds without a heartbeat be too long."""
    monkeypatch.setattr(heartbeat, "BEAT", 0.3)
    monkeypatch.setattr(registry, "GRACE", GRACE)
    monkeypatch.setattr(storage, "GRACE", GRACE)
    monkeypatch.setattr(storage, "BEAT", 1)


def taken_by_another(postgres, root, label):
    """Look as another host does that wants work; return the state of each trial, and whether a run could be taken."""
    with closing(Registry(postgres, Place("another", "/runs", "another"), "another:1", GRACE)) as registry:
        entries = registry.entries()
        taken = [registry.take(key) for key in entries]
    opened = open_storage(root, postgres)
    try:
        study = optuna.load_study(study_name=label, storage=opened)
        with quiet_heartbeat():
            fail_stale_trials(study)
        return [trial.state for trial in study.get_trials()], taken
    finally:
        close_storage(opened)


def test_a_scheduler_that_waits_for_a_lock_keeps_its_trials_and_leases(
    tmp_path, postgres, two_slots, hurried, monkeypatch
):
    """The root's lock is somebody else's as it asks for the second configuration; the first is in training."""
    looks, before = [], set(threading.enumerate())

    def begin(*job):
        process = start(*job)
        if not looks:
            file = (tmp_path / ".schedulers.lock").open("r+b")
            fcntl.flock(file, fcntl.LOCK_EX)
            looks.append(pool.submit(look, file))
        return process

    def look(file):
        with file:
            time.sleep(GRACE + 1.0)
            return taken_by_another(postgres, tmp_path, search.label)

    def until_looked_at(progress):
        if looks[0].done():
            raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "start", begin)
    search = Search(tmp_path, SPACE, Method(sampler="random", pruner="none", trials=2), postgres)
    with ThreadPoolExecutor(1) as pool, closing(search):
        with pytest.raises(KeyboardInterrupt):
            run_search(search, replace(two_slots, storage=postgres), until_looked_at)
        assert looks[0].result() == ([TrialState.RUNNING], [None])
    assert set(threading.enumerate()) <= before


def test_a_run_that_another_host_has_taken_over_is_ended(tmp_path, postgres, one_slot, hurried):
    study = tiny(rows={"none": LONG}, scientific=(), seeds=1)

    def take_over(progress):
        if progress.active and progress.active[0].epochs:
            with psycopg.connect(postgres, autocommit=True) as connection:
                connection.execute("UPDATE bam_runs SET holder = 'another:1', host = 'another', beat = now()")

    progress = run_study(study, tmp_path, replace(one_slot, storage=postgres), take_over)
    assert (progress.finished, progress.failed) == ([], [])
    assert len(progress.active) == 0
    with closing(Registry(postgres, Place("here", "/", ""), "here:1", GRACE)) as registry:
        assert registry.entries()[LONG.key].holder == "another:1"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("UPDATE bam_runs SET beat = now() - interval '1 minute'")
    raised = replace(one_slot, storage=postgres)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path, raised, interrupt_once_it_trains)


def interrupt_once_it_trains(progress):
    if progress.active and progress.active[0].epochs > 3:
        raise KeyboardInterrupt


def test_without_a_database_there_is_no_thread(tmp_path, one_slot):
    seen, before = set(), set(threading.enumerate())  # a library of another test's may have left one of its own
    run_study(tiny(seeds=1), tmp_path, one_slot, lambda _: seen.update(threading.enumerate()))
    assert seen <= before
