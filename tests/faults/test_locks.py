"""Somebody holds a lock for good: whoever waits says who it is, and not for ever; who may not write can hold none."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from analysis.cli import main
from lightning_bam.config import ConfigError
from lightning_bam.data import download
from lightning_bam.run_folder import lock as lock_module
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import locked, open_lock
from studies.coordination import leases as leases_module
from studies.coordination import process_lock as owner_module
from studies.coordination import registry as registry_module
from studies.coordination.leases import Leases
from studies.coordination.location import Place
from studies.coordination.process_lock import ProcessLock, alive
from studies.coordination.registry import Registry
from studies.doctor.storage import database
from studies.errors import StudyError
from studies.storage import journal as journal_module
from studies.storage.optuna_storage import close_storage, open_storage
from studies.storage.postgres import outage
from tests.analysis.synthetic import finish
from tests.faults.another_user import nobody
from tests.studies.conftest import BASE, postgres, tiny  # noqa: F401, the fixture

HOLD = (
    "import fcntl, os, sys\n"
    "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
    "fcntl.flock(fd, fcntl.LOCK_EX)\n"
    "print('held', flush=True)\n"
    "sys.stdin.read(1)\n"
)
"""Any process that may open a file can hold its lock."""


@pytest.fixture
def held():
    """Return how to have another process hold the lock of a file; it returns that process."""
    with ExitStack() as stack:

        def hold(path, *before):
            words = [*before, sys.executable, "-I", "-S", "-c", HOLD, str(path)]
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            stack.callback(process.stdin.close)
            stack.callback(process.stdout.close)
            assert process.stdout.readline() == "held\n"
            return process

        yield hold


@pytest.fixture
def hurried(monkeypatch):
    """Say who holds a lock after a tenth of a second, and give up soon after."""
    monkeypatch.setattr(lock_module, "NOTICE", 0.1)
    for module in (lock_module, leases_module, journal_module, registry_module):
        monkeypatch.setattr(module, "LIMIT", 0.3)
    monkeypatch.setattr(download, "OTHERS_SECONDS", 0.3)


def schedulers(root, storage=None):
    with closing(Leases(root, storage)) as leases, leases.exclusively():
        pass


def journal(root):
    open_storage(root)


def data(root):
    download.fetch(lambda: None, root, None, "put it there")


@pytest.mark.parametrize(
    ("use", "name"),
    [(schedulers, ".schedulers.lock"), (journal, ".studies.journal.lock"), (data, ".download.lock")],
)
def test_a_lock_that_is_held_names_its_holder_and_is_not_waited_for_for_good(tmp_path, held, hurried, capfd, use, name):
    use(tmp_path)
    path = tmp_path / name
    process = held(path)
    with pytest.raises((FolderError, ConfigError)) as refused:
        use(tmp_path)
    who = rf"process {process.pid} \({Path(sys.executable).name}, user \w+\)"
    assert re.search(rf"{path}: still held by {who} after 0.3 s; end that process, or wait", str(refused.value))
    lines = capfd.readouterr().err.splitlines()
    assert [bool(re.fullmatch(rf"bam: {path}: held by {who}; waiting for it", line)) for line in lines] == [True]
    process.stdin.close()
    process.wait()
    use(tmp_path)
    assert capfd.readouterr().err == ""


def test_whoever_waits_takes_the_lock_once_it_is_free(tmp_path, held, monkeypatch, capfd):
    monkeypatch.setattr(lock_module, "NOTICE", 0.1)
    schedulers(tmp_path)
    words = [sys.executable, "-c", HOLD.replace("sys.stdin.read(1)", "import time; time.sleep(0.5)")]
    with subprocess.Popen([*words, str(tmp_path / ".schedulers.lock")], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        schedulers(tmp_path)
    assert capfd.readouterr().err.count("held by process") == 1


def test_a_command_that_waits_in_vain_ends_with_one_line(tmp_path, held, hurried, capfd):
    root = tmp_path / "runs"
    for cell in tiny().runs():
        finish(root, cell.run, 12.5)
    (tmp_path / "mine.py").write_text("from tests.studies.conftest import tiny\nSTUDY = tiny()\n")
    words = ["run", str(tmp_path / "mine.py"), "--root", str(root), "--devices", "cpu:1", "--wandb", "off"]
    assert main(words) == 0
    capfd.readouterr()
    process = held(root / ".schedulers.lock")
    assert main(words) == 2
    *_, line = capfd.readouterr().err.splitlines()
    assert line.startswith(f"bam: {root}/.schedulers.lock: still held by process {process.pid} (")


def test_who_leaves_does_not_wait_for_a_lock_as_long(tmp_path, held):
    """Ctrl-C gives everything back within seconds, whoever holds the journal."""
    journal(tmp_path)
    held(tmp_path / ".studies.journal.lock")
    with outage.no_retries():
        outage.until -= 4.9
        with pytest.raises(FolderError, match="still held by process"):
            journal(tmp_path)


@pytest.mark.parametrize("lock", ["make", "exclusively"])
def test_a_session_that_holds_the_database_s_lock_is_named(tmp_path, hurried, capfd, postgres, lock):  # noqa: F811
    number = registry_module.LOCK + (lock == "make")
    with closing(Leases(tmp_path, postgres)) as leases:
        with psycopg.connect(postgres) as session:
            session.execute("SELECT pg_advisory_lock(%s)", [number])
            with pytest.raises(StudyError) as refused:
                schedulers(tmp_path, postgres) if lock == "make" else leases.exclusively().__enter__()
            who = registry_module.HOLDER
            told = session.execute(who.partition("`")[2].partition("`")[0]).fetchall()
            assert (session.info.backend_pid,) in told
        assert str(refused.value).startswith(f"--storage: its advisory lock {number}: still held by {who} after 0.3 s;")
        assert f"bam: --storage: its advisory lock {number}: held by {who}; waiting" in capfd.readouterr().err
        with leases.exclusively():
            pass


def test_a_row_that_is_locked_stalls_no_other_s_sign_of_life(postgres):  # noqa: F811
    place = Place("here", "/runs", "here")
    with closing(Registry(postgres, place, "here:1", 60.0)) as ours, psycopg.connect(postgres) as session:
        assert [ours.take(key) for key in "ab"] == [(0, 0), (0, 0)]
        before = ours.entries()
        session.execute("SELECT * FROM bam_runs WHERE key = 'a' FOR UPDATE")
        began = time.monotonic()
        assert ours.heartbeat(["a", "b", "c"]) == {"c"}, "the one that is locked is still ours"
        assert time.monotonic() - began < 4
        after = ours.entries()
        assert after["a"].beat == before["a"].beat
        assert after["b"].beat > before["b"].beat
        session.rollback()
        assert ours.heartbeat(["a", "b"]) == set()
        assert ours.entries()["a"].beat > after["b"].beat


SAID = (
    "--storage: what is wanted there is locked by another transaction (canceling statement due to lock timeout); end "
)


def test_a_table_that_is_locked_is_not_taken_for_a_dead_server(tmp_path, monkeypatch, capfd, postgres):  # noqa: F811
    monkeypatch.setattr(outage, "timeout", 0.0)
    monkeypatch.setattr(outage, "away", outage.away)
    storage = open_storage(tmp_path, postgres)
    close_storage(storage)
    with closing(Leases(tmp_path, postgres)) as leases, psycopg.connect(postgres) as session:
        lease = leases.take(BASE)
        session.execute("LOCK TABLE bam_runs")
        began = time.monotonic()
        with pytest.raises(StudyError) as refused:
            leases.take(replace(BASE, seed=1))
        assert time.monotonic() - began < 10
        assert str(refused.value).startswith(SAID)
        assert leases.taken_over() == set()
        line = capfd.readouterr().err
        assert line.startswith(f"bam: {SAID}")
        assert line.endswith("; the runs go on\n")
        (found,) = database(postgres)
        assert (found.check, found.level) == ("database", "problem")
        assert "is locked by another transaction (canceling statement due to lock timeout)" in found.found
        assert found.mend.startswith("end that one: pg_stat_activity shows it")
        assert main(["status", "quickstart", "--root", str(tmp_path), "--storage", postgres]) == 2
        err = capfd.readouterr().err
        assert "is locked by another transaction" in err
        assert err.count("\n") == 1
        session.rollback()
        leases.give_back(BASE.key)
        lease.let_go()


@pytest.mark.parametrize(
    ("root", "lock"), [(0o755, 0o600), (0o775, 0o660), (0o2775, 0o660), (0o2755, 0o600), (0o700, 0o600)]
)
def test_who_may_not_write_in_a_folder_may_not_open_its_locks(tmp_path, root, lock):
    """Whatever the umask; one of an earlier version is set right."""
    tmp_path.chmod(root)
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            schedulers(tmp_path)
            journal(tmp_path)
            data(tmp_path)
            folder = RunFolder.of(tmp_path, BASE)
            folder.describe(BASE)
            os.close(folder.acquire())
            owner = ProcessLock(tmp_path)
        finally:
            os.umask(before)
        names = (".schedulers.lock", ".studies.journal.lock", ".download.lock", f"{BASE.key}/lock")
        paths = [*(tmp_path / name for name in names), tmp_path / owner_module.FOLDER / owner.name]
        assert Counter(stat.S_IMODE(path.stat().st_mode) for path in paths) == {lock: 5}
        for path in paths:
            path.chmod(0o644)


@pytest.fixture
def shared():
    """Return a root of this user's that all can read, and the words that run a command as somebody else."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to be two users")
    root = Path(tempfile.mkdtemp(prefix="bam-shared-"))
    root.chmod(0o755)
    yield root, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    shutil.rmtree(root)


def test_a_reader_sees_what_another_user_trains_and_cannot_stop_it(shared, held):
    root, another = shared
    folder = RunFolder.of(root, BASE)
    folder.describe(BASE)
    folder.note(state="running")
    path = folder.path / "lock"
    lock = folder.acquire()
    line = f"{path}: this lock is root's, and this user may not open it (mode 0600); share the folder with a group"
    with nobody():
        assert folder.state() == "running"
        with pytest.raises(FolderError, match=re.escape(line)):
            folder.acquire()
    os.close(lock)
    with nobody():
        assert folder.state() == "interrupted"
    with pytest.raises(AssertionError):
        held(path, *another)


def test_the_mark_of_another_user_s_search_is_none_to_remove(shared):
    root, _ = shared
    owner = ProcessLock(root)
    (root / owner_module.FOLDER).chmod(0o777)
    with nobody():
        assert alive(root, owner.name)
        owner.let_go()
        assert not alive(root, owner.name)


def test_one_who_shares_the_folder_is_named_with_his_name(shared, held, hurried):
    root, another = shared
    os.chown(root, -1, 65534)
    root.chmod(0o2775)
    schedulers(root)
    process = held(root / ".schedulers.lock", *another)
    with pytest.raises(FolderError, match=rf"still held by process {process.pid} \(\S+, user nobody\)"):
        schedulers(root)
    fd = open_lock(root / "another", root)
    os.close(fd)
    assert not locked(root / "another")
