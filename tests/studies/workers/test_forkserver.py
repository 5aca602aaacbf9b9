"""The server that runs are forked from."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from studies.workers.forkserver import TRACKED, forkserver
from studies.workers.launch import ask


@pytest.mark.parametrize("name", TRACKED)
def test_what_is_loaded_before_a_tracked_run_is_there(name):
    """multiprocessing passes over a module that it cannot import, and each run would load it itself."""
    assert find_spec(name) is not None


def test_its_processes_collect_garbage_but_not_what_it_has_loaded():
    collects, frozen = ask(
        forkserver(), "builtins", "eval", "(gc := __import__('gc')).isenabled(), gc.get_freeze_count()"
    )
    assert collects
    assert frozen > 100_000, "torch and Lightning are as many objects"


UNPREPARED = """
import sys
from pathlib import Path
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.studies.conftest import silent, tiny

if __name__ == "__main__":
    context = forkserver()
    context.set_forkserver_preload([])
    ask(context, "time", "sleep", 0)
    progress = run_study(tiny(seeds=1), Path(sys.argv[1]), Options(slots=[Slot(1)], wandb="off"), silent)
    print(len(progress.finished), progress.failed)
"""


def test_a_server_that_could_not_load_the_worker_still_trains(tmp_path):
    """multiprocessing says nothing about a module that the server cannot import: each run loads it itself."""
    words = [sys.executable, "-c", UNPREPARED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "2 []", done.stderr
