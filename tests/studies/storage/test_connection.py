"""A PostgreSQL that hangs, or that the network is cut from: connections stay open, and nothing comes any more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from studies.coordination import leases
from studies.coordination import registry as registry_module
from studies.coordination.location import Place
from studies.coordination.registry import Registry
from studies.engine.run_study import run_study
from studies.errors import StudyError
from studies.records.records import gather
from studies.storage import postgres as database
from studies.storage.optuna_storage import close_storage, open_storage
from studies.storage.postgres import Outage
from tests.studies.conftest import silent, tiny


class Wire:
    """What lies between us and a server: a socket that hands on what comes in, unless it is told to keep it.

    It lies in a folder of its own, which nobody else can enter, as the server's does: see `.ci/postgres`.
    """

    def __init__(self, url, folder):
        there = make_url(url)
        name = f".s.PGSQL.{there.query['port']}"
        self.server = str(Path(there.query["host"], name))
        self.open = threading.Event()
        self.open.set()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / name))
        self.listening.listen()
        self.url = there.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                ours = self.listening.accept()[0]
                self.open.wait()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(self.server)
                for one, other in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one, other):
        with suppress(OSError), one, other:
            while said := one.recv(65536):
                self.open.wait()
                other.sendall(said)

    def cut(self, seconds=None):
        """Keep everything, for good or for `seconds`."""
        self.open.clear()
        if seconds is not None:
            threading.Timer(seconds, self.open.set).start()


@pytest.fixture
def wire(postgres, monkeypatch):
    if "port" not in make_url(postgres).query:
        pytest.skip("BAM_TEST_POSTGRES names no socket, as .ci/postgres does")
    outage = Outage()
    for module in (database, registry_module, leases):
        monkeypatch.setattr(module, "outage", outage)
    monkeypatch.setattr(database, "CONNECT", 2)
    with tempfile.TemporaryDirectory(prefix="wire") as folder:  # a short path: a socket lies in it
        made = Wire(postgres, Path(folder))
        yield made
        made.listening.close()
        made.open.set()


@pytest.fixture
def registry(wire):
    with closing(Registry(wire.url, Place("here", "/runs", ""), "here:1", 1.0)) as made:
        yield made


def test_the_server_of_the_tests_is_reached_by_their_user_alone(wire, postgres):
    with psycopg.connect(postgres) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        (folders,) = connection.execute("show unix_socket_directories").fetchone()
    assert folders == make_url(postgres).query["host"]
    assert Path(folders).stat().st_mode & 0o777 == 0o700


def took(call):
    """Return for how many seconds it was called, and what it raised."""
    started = time.monotonic()
    try:
        call()
    except BaseException as error:
        return time.monotonic() - started, error
    return time.monotonic() - started, None


def test_a_query_is_not_waited_for_for_good(wire, registry, monkeypatch):
    monkeypatch.setattr(database, "SILENCE", 1.0)
    assert registry.take("a")
    with suppress(OperationalError), registry.engine.connect() as connection:
        connection.execute(sa.select(1))
        wire.cut()
        seconds, error = took(lambda: connection.execute(sa.select(1)))
    assert database.away(error)
    assert str(error.orig) == "no word from it in 1 s"
    assert 0.9 < seconds < 2
    seconds, error = took(registry.entries)
    assert database.away(error)
    assert seconds < 4
    wire.cut(seconds=1.5)
    assert database.with_retries(registry.entries)["a"].holder == "here:1"


def test_a_silence_that_raised_no_error_was_an_outage(wire, registry, postgres, monkeypatch):
    with closing(Registry(postgres, Place("there", "/runs", ""), "there:1", 1.0)) as holder:
        assert holder.take("a")
    monkeypatch.setattr(database, "BEAT", 0.5)
    registry.entries()
    wire.cut(seconds=1.5)
    assert not registry.entries()["a"].alive
    assert not registry.take("a"), "its holder may have been waiting, as we were"
    time.sleep(1.2)
    assert registry.take("a"), "its holder has not come back"


def test_an_answer_that_takes_long_and_keeps_coming_is_waited_for(wire, registry, monkeypatch):
    monkeypatch.setattr(database, "SILENCE", 1.0)
    drops = sa.text("select repeat('x', 20000), pg_sleep(0.3) from generate_series(1, 8)")
    with registry.engine.connect() as connection:
        seconds, error = took(lambda: connection.execute(drops).all())
    assert error is None
    assert seconds > 2


def test_an_interrupt_is_heard_while_the_database_is_silent(wire, registry, caplog):
    registry.entries()
    wire.cut()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    seconds, error = took(registry.entries)
    assert isinstance(error, KeyboardInterrupt)
    assert seconds < 2
    assert caplog.text == "", "nobody tries to cancel the query"


def test_who_leaves_waits_five_seconds_in_all(wire, registry, monkeypatch):
    monkeypatch.setattr(database, "LEAVING", 2.5)
    registry.entries()
    wire.cut()
    with database.outage.no_retries():
        found = [took(lambda: database.with_retries(registry.entries)) for _ in range(8)]
    assert all(isinstance(error, StudyError) for _, error in found)
    assert sum(seconds for seconds, _ in found) < 4
    wire.open.set()
    assert database.with_retries(registry.entries) == {}


def test_who_trains_is_waited_for_longer_than_any_answer(wire, registry, monkeypatch):
    monkeypatch.setattr(database, "SILENCE", 0.5)
    held, order = threading.Event(), []

    def hold():
        with closing(Registry(wire.url, Place("there", "/runs", ""), "there:1", 1.0)) as other, other.exclusively():
            held.set()
            time.sleep(2)
            order.append("other")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with registry.exclusively():
        order.append("we")
    thread.join()
    assert order == ["other", "we"]


def test_a_study_outlives_a_silence(tmp_path, wire, one_slot, monkeypatch):
    monkeypatch.setattr(database, "SILENCE", 1.0)

    def wait():
        while not list(tmp_path.glob("*/result.json")):
            time.sleep(0.02)
        wire.cut(seconds=4)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    progress = run_study(tiny(), tmp_path, replace(one_slot, storage=wire.url), silent)
    thread.join()
    assert len(progress.finished) == 4
    assert [record.state for record in gather(tiny(), tmp_path)] == ["complete"] * 4
    storage = open_storage(tmp_path, wire.url)
    told = [trial.state for trial in optuna.load_study(study_name="tiny", storage=storage).get_trials()]
    close_storage(storage)
    assert told.count(TrialState.COMPLETE) == 4
    assert TrialState.RUNNING not in told


STUDY = """
from dataclasses import replace
from pathlib import Path
from tests.studies.conftest import BASE, tiny
BASE = replace(BASE, recipe=replace(BASE.recipe, epochs=2000))
SLOW = replace(BASE, recipe=replace(BASE.recipe, lr=0.01))
STUDY = tiny(rows={"none": BASE, "slow": SLOW}, scientific=("recipe.lr",))
"""


def test_a_worker_that_is_told_to_leave_leaves(tmp_path, wire):
    (tmp_path / "long.py").write_text(STUDY)
    words = ["worker", str(tmp_path / "long.py"), "--root", str(tmp_path / "runs"), "--storage", wire.url]
    command = [sys.executable, "-m", "analysis.cli", *words, "--devices", "cpu:1", "--wandb", "off"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as worker:
        try:
            while not any(path.read_text() for path in tmp_path.glob("runs/*/metrics.jsonl")):
                time.sleep(0.1)
                assert worker.poll() is None
            wire.cut()
            time.sleep(2)
            worker.send_signal(signal.SIGTERM)
            seconds, error = took(lambda: worker.wait(30))
        finally:
            worker.kill()
        said = worker.stderr.read()
    assert error is None
    assert worker.returncode == 130
    assert seconds < 15
    assert said == "bam: interrupted; the same command goes on from here\n"
    assert [path.read_text().count('"interrupted"') for path in tmp_path.glob("runs/*/manifest.json")] == [1]
