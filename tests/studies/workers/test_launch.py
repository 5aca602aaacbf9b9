"""What is asked of a process that has torch loaded, and one that does not answer."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from studies.workers.forkserver import forkserver
from studies.workers.launch import ask


def test_an_answer_a_failure_and_a_silence():
    context = forkserver()
    assert ask(context, "math", "sqrt", 6.25, limit=60) == 2.5
    with pytest.raises(ValueError, match="domain error|nonnegative"):
        ask(context, "math", "sqrt", -1.0, limit=60)
    with pytest.raises(RuntimeError, match=r"^os\._exit ended without an answer \(code 3\)$"):
        ask(context, "os", "_exit", 3, limit=60)
    before, started = len(psutil.Process().children(recursive=True)), time.monotonic()
    with pytest.raises(RuntimeError, match=r"^time\.sleep did not answer within 1 s$"):
        ask(context, "time", "sleep", 100, limit=1)
    assert time.monotonic() - started < 20
    assert len(psutil.Process().children(recursive=True)) <= before


ASKING = """
from studies.workers.launch import ask
from studies.workers.forkserver import forkserver
ask(forkserver(), "time", "sleep", 100)
"""


def test_who_is_asked_does_not_outlive_who_asks():
    asking = subprocess.Popen([sys.executable, "-c", ASKING])
    deadline = time.monotonic() + 120
    below = []
    while time.monotonic() < deadline and len(below) < 3:  # the fork server, the resource tracker, and who is asked
        below = psutil.Process(asking.pid).children(recursive=True)
        time.sleep(0.1)
    assert len(below) >= 3
    asking.kill()
    asking.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive


INTERRUPTED = """
import os, signal, threading, time
from studies.workers.launch import ask
from studies.workers.forkserver import forkserver, serve
signal.signal(signal.SIGINT, lambda *_: None)
context = forkserver()
serve()
for _ in range(40):
    os.killpg(0, signal.SIGINT)
    time.sleep(0.05)
threading.Timer(1.0, os.killpg, (0, signal.SIGINT)).start()
ask(context, "time", "sleep", 2.0)
print(ask(context, "signal", "getsignal", signal.SIGINT).name)
"""


def test_ctrl_c_is_not_heard_by_the_server_from_its_first_moment_nor_by_who_is_asked():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False, start_new_session=True
    )
    assert (done.stdout, done.stderr) == ("SIG_IGN\n", "")
