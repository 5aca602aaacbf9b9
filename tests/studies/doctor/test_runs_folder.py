"""What is wrong with a runs folder's disk, and what dead runs left: every fault is made for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from studies.doctor import Finding, runs_folder


def only(findings) -> Finding:
    (finding,) = findings
    return finding


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a MiB."""
    where = tmp_path / "small"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(where)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_healthy_place_is_left_as_it_was(tmp_path):
    assert only(runs_folder.files(tmp_path / "runs")).level in ("ok", "warning")
    assert only(runs_folder.leases(tmp_path / "runs")).level == "ok"
    assert not list(tmp_path.iterdir()), "the runs folder is not made, and the probe is gone"


def test_locks_keep_two_processes_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(runs_folder, "REMOTE", ())
    assert only(runs_folder.files(tmp_path)).found.endswith("keeps two processes apart")
    monkeypatch.setattr(runs_folder.fcntl, "flock", lambda *_: None)  # as a mount with local_lock does
    found = only(runs_folder.files(tmp_path))
    assert (found.check, found.level) == ("locks", "problem")
    assert found.found.endswith("does not keep two processes apart: a second process got it, too")


def test_a_remote_disk_s_locks_are_to_be_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(runs_folder, "filesystem", lambda _: ("/home", "nfs4"))
    found = only(runs_folder.files(tmp_path))
    assert (found.check, found.level) == ("locks", "warning")
    assert found.found == "flock holds between processes here, between hosts it is up to nfs4 (/home)"
    assert found.mend.startswith("compare `mount` on each host")


def test_a_full_disk(small_disk):
    found = only(runs_folder.files(small_disk))
    assert found.level == "problem"
    assert found.found == f"{small_disk}: cannot be written (No space left on device)"
    assert "choose another --root" in found.mend
    found = next(runs_folder.room(small_disk))
    assert found.level == "problem"
    assert found.found.startswith(f"0.5 MiB free on {small_disk} (tmpfs) for {small_disk}; a checkpoint takes up to")
    assert not list(small_disk.iterdir())


def test_a_read_only_disk(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert (
        only(runs_folder.files(small_disk / "runs")).found == f"{small_disk}: cannot be written (Read-only file system)"
    )


def test_no_room_for_more_files(small_disk):
    subprocess.run(["mount", "-o", "remount,nr_inodes=64,size=8g", str(small_disk)], check=True)
    found = next(runs_folder.room(small_disk))
    assert found.level == "problem"
    assert "but only 63 more files fit (inodes)" in found.found


def room_in_temporary_folder(root):
    return next(finding for finding in runs_folder.room(root) if finding.check == "TMPDIR")


def test_a_temporary_folder_without_room(small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    found = room_in_temporary_folder(tmp_path)
    assert found.level == "problem"
    assert found.found.startswith(f"0.5 MiB free on {small_disk} (tmpfs) for {small_disk}; ranks meet there")
    assert found.mend.endswith("or set TMPDIR to another folder")
    subprocess.run(["mount", "-o", "remount,nr_inodes=64,size=8g", str(small_disk)], check=True)
    assert "but only 63 more files fit (inodes)" in room_in_temporary_folder(tmp_path).found
    subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(small_disk)], check=True)
    assert room_in_temporary_folder(tmp_path).level == "ok"


def test_little_shared_memory(small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(runs_folder, "SHARED_MEMORY", small_disk)
    *_, found = runs_folder.room(tmp_path)
    assert (found.check, found.level) == ("shared memory", "warning")
    assert found.found.endswith("; workers that decode ImageNet need about 1 GiB")
    assert found.mend.startswith("docker run --shm-size=8g")


SCHEDULER = """
import os, sys, time
from studies.workers.forkserver import forkserver

if __name__ == "__main__":
    context = forkserver()
    context.set_forkserver_preload([])
    process = context.Process(target=time.sleep, args=(120,))
    process.start()
    print(process.pid, flush=True)
    time.sleep(120)
"""


def orphans():
    return filter(runs_folder.is_orphan, psutil.process_iter())


def test_an_orphan(tmp_path, monkeypatch):
    monkeypatch.setattr(runs_folder, "ENDING", 0.5)
    (tmp_path / "scheduler.py").write_text(SCHEDULER)
    scheduler = subprocess.Popen([sys.executable, str(tmp_path / "scheduler.py")], stdout=subprocess.PIPE, text=True)
    orphan = int(scheduler.stdout.readline())
    try:
        assert orphan not in {process.pid for process in orphans()}, "its scheduler lives"
        scheduler.kill()
        scheduler.wait()
        assert psutil.Process(orphan).is_running()
        found = only(runs_folder.orphans())
        assert found.level == "problem"
        assert "of a scheduler that is gone: " in found.found
        assert str(orphan) in found.mend.removeprefix("kill -9 ").split()
    finally:
        os.kill(orphan, signal.SIGKILL)
        scheduler.stdout.close()
    deadline = time.monotonic() + 10  # a killed process takes a moment to go
    while orphan in {process.pid for process in orphans()}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def described(root):
    folder = RunFolder.of(root, Run())
    folder.describe(Run())
    folder.note(state="running")
    return folder


def test_a_stale_lease_and_a_torn_folder(tmp_path):
    folder = described(tmp_path)
    lock = folder.acquire()
    assert only(runs_folder.leases(tmp_path)).level == "ok", "somebody trains it"
    os.close(lock)
    found = only(runs_folder.leases(tmp_path))
    assert found.level == "warning"
    assert found.found == f"1 in state 'running', and nobody trains: {folder.path.name}"
    assert found.mend.startswith("`bam run STUDY`")
    (folder.path / "manifest.json").write_text('{"state": "run')
    found = next(iter(runs_folder.leases(tmp_path)))
    assert found.level == "problem"
    assert found.found.startswith(f"{folder.path}/manifest.json: torn or not JSON")
    assert found.mend.startswith(f"rm -r {folder.path}")
