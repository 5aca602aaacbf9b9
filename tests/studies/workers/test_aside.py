"""A process for what may hang, die or print."""

from __future__ import annotations

import os
import time

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
