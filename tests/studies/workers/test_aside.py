"""A process for what may hang, die or print."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from studies.errors import StudyError
from studies.workers.aside import Aside


def test_it_answers_until_its_time_is_over(capfd):
    before = psutil.Process().children()
    with Aside(20) as aside:
        assert aside.ask(print, "loud") is None
        assert aside.ask(sorted, [3, 1], reverse=True) == [3, 1]
        with pytest.raises(StudyError, match=r"^invalid literal for int\(\) with base 10: 'x'$"):
            aside.ask(int, "x")
        assert aside.ask(os.getpid) != os.getpid(), "what has failed does not end it"
    assert capfd.readouterr() == ("", "")
    began = time.monotonic()
    with Aside(2) as aside, pytest.raises(StudyError, match="^no answer in 2 s$"):
        aside.ask(time.sleep, 60)
    assert time.monotonic() - began < 20
    with Aside(20) as aside, pytest.raises(StudyError, match="^its process has died$"):
        aside.ask(os._exit, 3)
    assert [
        child for child in psutil.Process().children() if child not in before and "spawn_main" in str(child.cmdline())
    ] == []


def test_it_does_not_run_the_script_again_that_asks(tmp_path):
    """A script need not guard its calls of `analysis.notebook.run`, which tells W&B."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('read')\n"
        "from studies.workers.aside import Aside\n"
        "with Aside(60) as aside:\n"
        "    print(aside.ask(sorted, [3, 1]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "read\n[1, 3]\n", done.stderr
