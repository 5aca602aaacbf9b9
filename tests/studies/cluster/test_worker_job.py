"""What a job does with its worker, with other programs in the worker's place; no Slurm is needed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from studies.cluster.worker_job import WorkerJob


@pytest.fixture(autouse=True)
def handlers():
    """Put the signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def python(code):
    return [sys.executable, "-c", code]


def later(seconds, number):
    """Send a signal to this process in a while."""
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


@pytest.mark.parametrize("code", [0, 1])
def test_a_worker_that_ends_by_itself_ends_the_job(code):
    assert WorkerJob(python(f"raise SystemExit({code})"))() == code


def test_a_job_that_does_not_know_the_database_starts_no_worker(tmp_path, monkeypatch):
    mark = tmp_path / "started"
    job = WorkerJob(python(f"open({str(mark)!r}, 'w')"), shared=True)
    monkeypatch.delenv("BAM_STORAGE", raising=False)
    with pytest.raises(RuntimeError, match="BAM_STORAGE did not reach the job: submit with --slurm export=ALL"):
        job()
    assert not mark.exists()
    monkeypatch.setenv("BAM_STORAGE", "postgresql://me@h/db")
    assert job() == 0
    assert mark.exists()


def test_a_worker_that_was_killed_is_started_again(tmp_path):
    log = tmp_path / "log"
    program = f"""
import os, pathlib, signal
log = pathlib.Path({str(log)!r})
starts = len(log.read_text()) if log.exists() else 0
log.write_text("x" * (starts + 1))
if starts == 0: os.kill(os.getpid(), signal.SIGKILL)
raise SystemExit(0)
"""
    assert WorkerJob(python(program))() == 0
    assert log.read_text() == "xx"


def test_a_worker_that_is_always_killed_fails_the_job():
    with pytest.raises(RuntimeError, match="bam worker ended with code -9"):
        WorkerJob(python("import os; os.kill(os.getpid(), 9)"))()


def test_sigterm_ends_the_worker_before_the_job(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    mark = tmp_path / "ended"
    program = f"""
import pathlib, signal, sys, time
def end(*_): time.sleep(0.3); pathlib.Path({str(mark)!r}).touch(); sys.exit(130)
signal.signal(signal.SIGTERM, end)
time.sleep(60)
"""
    later(1.5, signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        WorkerJob(python(program))()
    assert left.value.code == 143
    assert mark.exists()


def test_the_notice_reaches_the_job_and_not_its_worker(tmp_path):
    """Slurm sends it to every process; the job ends its worker in `checkpoint`, and calls the same again."""
    mark = tmp_path / "ended"
    program = f"""
import os, pathlib, signal, sys, time
os.kill(os.getpid(), signal.SIGUSR2)  # ignored, or it would end here
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).touch(), sys.exit(130)))
time.sleep(60)
"""
    job, again = WorkerJob(python(program)), []

    def handler(*_):
        again.append(job.checkpoint())
        raise SystemExit(255)

    signal.signal(signal.SIGUSR2, handler)
    later(1.5, signal.SIGUSR2)
    begun = time.monotonic()
    with pytest.raises(SystemExit) as left:
        job()
    assert left.value.code == 255
    assert time.monotonic() - begun < 20
    assert mark.exists()
    assert again[0].function.command == python(program)
