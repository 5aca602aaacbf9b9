"""A forked process answers what it was asked, and one that dies is not missed; each case in an interpreter of its own.

The processes of pytest-xdist have a thread more, and so are never forked.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from textwrap import dedent

import psutil
import pytest

PRELUDE = """
import json, os, signal, threading, time
from studies.forked import Forked
started = time.monotonic()
def told(value):
    left = []
    try:
        os.waitpid(-1, os.WNOHANG)
        left.append("a child")
    except ChildProcessError:
        pass
    print(json.dumps([value, left, len(os.listdir("/proc/self/fd")), time.monotonic() - started]))
"""


def alone(code: str) -> object:
    """Return what the code told; make sure that no process and no descriptor is left, and that it took no time."""
    words = [sys.executable, "-c", PRELUDE + dedent(code)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    value, left, descriptors, seconds = json.loads(done.stdout)
    assert (left, descriptors, done.stderr) == ([], 4, "")  # the three of every process, and the listing itself
    assert seconds < 20
    return value


def test_it_answers_from_another_process():
    value = alone("""
        with Forked(lambda: [os.getpid(), None, 2.5, "é"]) as second:
            pid, *rest = second.answer()
        told([pid != os.getpid(), rest])
    """)
    assert value == [True, [None, 2.5, "é"]]


def test_both_work_at_once():
    """Each waits for what the other has done."""
    value = alone("""
        mine, theirs = os.pipe(), os.pipe()
        def work():
            os.write(theirs[1], b"1")
            return os.read(mine[0], 1)
        with Forked(work) as second:
            met = os.read(theirs[0], 1)
            os.write(mine[1], b"2")
            answer = second.answer()
        [os.close(fd) for fd in mine + theirs]
        told([met.decode(), answer.decode()])
    """)
    assert value == ["1", "2"]


def test_an_answer_larger_than_a_pipe():
    assert alone("""
        with Forked(lambda: [f"{number:0999}" for number in range(5000)]) as second:
            time.sleep(0.2)
            answer = second.answer()
            told([len(answer), int(answer[-1]), second.answer()])
    """) == [5000, 4999, None]


def test_one_whose_first_process_dies_ends_though_nobody_reads():
    code = """
        with Forked(lambda: [f"{number:0999}" for number in range(5000)]) as second:
            print(second._child, flush=True)
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    with subprocess.Popen([sys.executable, "-c", PRELUDE + dedent(code)], stdout=subprocess.PIPE, text=True) as first:
        child = psutil.Process(int(first.stdout.readline()))
        assert first.wait(30) == -signal.SIGKILL
        assert first.stdout.read() == "", "nobody holds the pipe open any more"
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "whoever adopts it buries it later"


@pytest.mark.parametrize("reader", ["second.answer()", "'left alone'"])
def test_a_process_that_ignores_its_children_does_without(reader):
    assert alone(f"""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with Forked(lambda: "answered") as second:
            time.sleep(0.3)
            value = {reader}
        told(value)
    """) in (None, "left alone")


@pytest.mark.parametrize(
    "work",
    [
        "lambda: 1 / 0",
        "lambda: exit(0)",
        "lambda: os._exit(0)",
        "lambda: os.kill(os.getpid(), signal.SIGKILL)",
        "lambda: object()",
    ],
)
def test_one_that_fails_says_nothing(work):
    assert (
        alone(f"""
        with Forked({work}) as second:
            told(second.answer())
    """)
        is None
    )


def test_one_that_nobody_waits_for_is_ended():
    assert (
        alone("""
        try:
            with Forked(lambda: time.sleep(100)):
                raise ValueError("mine")
        except ValueError as error:
            told(str(error))
    """)
        == "mine"
    )


@pytest.mark.parametrize(
    "instead",
    [
        "work = None",
        "threading.Thread(target=time.sleep, args=(3,), daemon=True).start()",
        "os.fork = lambda: os.open('/nonexistent', 0)",
        "os.pipe = lambda: os.open('/nonexistent', 0)",
    ],
    ids=["no work", "a thread", "no process", "no descriptor"],
)
def test_where_there_is_no_second_process_nothing_is_answered(instead):
    assert (
        alone(f"""
        work = lambda: "answered"
        {instead}
        with Forked(work) as second:
            told(second.answer())
    """)
        is None
    )


GATHERED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from lightning_bam.folder import RunFolder
from studies import records, sight
from tests.analysis.synthetic import ERRORS, STUDY, interrupt, write

root = Path(sys.argv[1]) / "runs"
os.environ["BAM_CACHE"] = f"{sys.argv[1]}/cache"
write(root, STUDY, ERRORS)
runs = {(cell.row, cell.run.seed): cell.run for cell in STUDY.runs()}
interrupt(root, runs["BAM max", 2], "failed")
interrupt(root, runs["SE_r8 <light>", 3], "running")
held = RunFolder.of(root, runs["SE_r8 <light>", 3]).acquire()
(RunFolder.of(root, runs["BAM product", 0]).path / "manifest.json").write_text("{")

def told(record):
    row = (record.row, record.run.key, record.state, record.result, record.epochs, record.first_epoch_loss)
    try:
        return (*row, record.first_step_loss, record.circumstances)
    except ValueError as error:
        return (*row, str(error))

plain = [told(record) for record in records.read(STUDY.runs(), root)]
records.cores, records.MANY, records.MORE, sight.QUIET = lambda: 2, 0, 1, 0
here, read = [], records._record
def noted(cell, folder):
    here.append(cell.run.key)
    return read(cell, folder)
records._record = noted
if sys.argv[2] == "dies":
    records._entries = lambda cells, root: os.kill(os.getpid(), signal.SIGKILL)
gathered = [told(record) for record in records.gather(STUDY, root)]
cold = len(here)
again = [told(record) for record in records.gather(STUDY, root)]
print(gathered == plain, again == plain, len(plain), cold, len(here) - cold)
"""


@pytest.mark.parametrize(("there", "cold", "warm"), [("answers", 11 + 2 + 1, 1 + 2 + 1), ("dies", 22 + 2, 12 + 2)])
def test_a_large_study_is_read_by_two_processes_as_by_one(tmp_path, there, cold, warm):
    """Of 24 runs two are missing, one is trained and one has a torn manifest: these four are read each time.

    Where the second process dies, the first reads its half as well, and remembers its own alone.
    """
    words = [sys.executable, "-c", GATHERED, str(tmp_path), there]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "True", "24", str(cold), str(warm)]
