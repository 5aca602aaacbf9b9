"""A search is one sweep on a W&B server, whoever trains its trials and whenever."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_bam.config import BAMSpec
from studies import Space
from studies.search.method import Method
from studies.search.search import Search
from studies.search.sweep import LIMIT, join_sweep
from tests.studies.conftest import BASE
from tests.studies.tracking.conftest import environment
from tests.studies.tracking.server import StubServer

SPACE = Space(
    name="tiny",
    question="Which BAM?",
    base=replace(BASE, attention=BAMSpec(reduction=4, dilation=1)),
    choices={"attention.reduction": ("2", "4")},
)


@pytest.fixture
def joined(tmp_path, wandb_server):
    """Return a function that begins the search once more, as a new process would, and returns its sweep's id."""

    def join(mode="online", *, trains=True):
        search = Search(tmp_path / "runs", SPACE, Method(trials=2))
        join_sweep(search, mode, trains=trains)
        assert wandb_server.unknown == []
        return search.about.sweep

    return join


def test_a_search_has_one_sweep_even_where_two_processes_begin_it(joined, wandb_server):
    assert joined(trains=False) is None, "nothing is there to be shown"
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: joined(), range(2))
    (found,) = wandb_server.sweeps.values()
    assert first == second == found.name == joined() == joined("offline")
    assert (found.project, found.state) == ("lightning-bam", "PENDING")
    assert (found.config["name"], found.config["controller"]) == ("search+tiny", {"type": "local"})
    assert found.config["parameters"]["attention"]["parameters"]["reduction"] == {"values": [2, 4]}


def test_another_project_and_a_sweep_that_was_deleted_have_a_new_one(joined, wandb_server, monkeypatch):
    first = joined()
    monkeypatch.setenv("WANDB_PROJECT", "other")
    assert joined("offline") is None
    other = joined()
    monkeypatch.delenv("WANDB_PROJECT")
    assert (joined(), len(wandb_server.sweeps)) == (first, 2)
    del wandb_server.sweeps[first]
    assert joined() not in (first, other)


def test_what_others_write_into_the_search_is_no_sweep(joined, wandb_server, tmp_path):
    search = Search(tmp_path / "runs", SPACE, Method(trials=2))
    for name in ("../x", "a b", "", "x" * 65, 3, None):
        search.optuna.set_user_attr("sweeps", {f"{wandb_server.url}/lab/lightning-bam": name})
        assert joined("offline") is None
    assert joined() in wandb_server.sweeps


@pytest.mark.parametrize("fault", ["die", "hang"])
def test_a_server_that_does_not_answer_is_a_line_and_no_long_wait(joined, wandb_server, capsys, fault):
    getattr(wandb_server, fault)()
    began = time.monotonic()
    assert joined() is None
    assert time.monotonic() - began < LIMIT
    told = capsys.readouterr().err
    assert told.startswith("bam: W&B: search+tiny: no sweep (")
    assert told.endswith("); the same command adds the runs to one later\n")
    assert told.count("\n") == 1
    wandb_server.recover()
    known = joined()
    getattr(wandb_server, fault)()
    assert joined() == known, "what it does not take is recorded as of this sweep"
    assert capsys.readouterr().err == ""


CHOICES = """
from dataclasses import replace
from lightning_bam.config import BAMSpec
from studies import Space
from tests.studies.conftest import BASE
base = replace(BASE, attention=BAMSpec(reduction=4, dilation=1), recipe=replace(BASE.recipe, epochs=1))
choices = {"attention.reduction": ("1", "2", "4"), "attention.combine": ("sum", "max")}
SPACE = Space(name="small", question="Which?", base=base, choices=choices)
"""


class Caller:
    """A person in a folder, logged in to a server."""

    def __init__(self, place, server):
        self.place, self.server = place, server
        (place / "small.py").write_text(CHOICES)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        told = environment(server, place)
        self.environment = {**kept, **told, "PYTHONPATH": str(Path(__file__).parents[3]), "PATH": path}

    def begin(self, *words, mode="online"):
        command = [sys.executable, "-m", "analysis.cli", *words, "--devices", "cpu:2", "--wandb", mode]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.place, env=self.environment, **pipes)

    def call(self, *words, mode="online"):
        with self.begin(*words, mode=mode) as process:
            return process.communicate()[1]

    def search(self, trials, *words, mode="online"):
        words = ("search", "small.py", "--sampler", "brute", "--trials", str(trials), *words)
        return self.call(*words, mode=mode)

    def send(self, told):
        """Do what the last line says."""
        subprocess.run(
            re.search("`(wandb sync .*?)`", told)[1], shell=True, cwd=self.place, env=self.environment, check=True
        )

    @property
    def sweeps(self):
        """The ids of the runs of each sweep, by the sweep's name, and of those in none."""
        found = {}
        for run in self.server.runs.values():
            sweep = self.server.sweeps[run.sweep].config["name"] if run.sweep else None
            found.setdefault(sweep, []).append(run)
        return found


def test_all_trials_of_a_search_are_in_its_sweep_and_no_other_run(tmp_path):
    with StubServer() as server:
        caller = Caller(tmp_path, server)
        told = caller.search(1, mode="offline")
        assert "W&B: 1 run recorded in runs/wandb" in told
        told = caller.search(2)
        assert (
            "W&B: search+small: no sweep (1 earlier run is not sent; `wandb sync --include-online runs/wandb/" in told
        )
        assert server.sweeps == {}
        caller.send(told)
        assert [run.sweep for run in server.runs.values()] == [None, None]
        both = [caller.begin("search", "small.py", "--sampler", "brute", "--trials", "4") for _ in range(2)]
        lines = [process.communicate()[1] for process in both]
        (sweep,) = server.sweeps.values()
        address = f"{server.url}/lab/lightning-bam/sweeps/{sweep.name}"
        assert all(f"W&B: search+small as a sweep: {address}; its view: {server.url}/lab" in line for line in lines)
        assert [run.sweep for run in server.runs.values()] == [sweep.name] * 4
        told = caller.search(5, "--confirm", "1", mode="offline")
        caller.send(told)
        assert [run.sweep for run in server.runs.values()] == [sweep.name] * 5
        assert sweep.config["metric"]["name"] in next(iter(server.runs.values())).summary
        caller.call("run", "runs/confirm-small.py", "--seeds", "1")
        trained = [run for run in server.runs.values() if run.group == "confirm-small" and run.job_type != "analysis"]
        assert [run.sweep for run in trained] == [None, None]
        caller.search(1, "--seeds", "2")
        assert [len(runs) for name, runs in caller.sweeps.items() if name] == [5, 1], (
            "of one seed the other has the run"
        )
        assert server.unknown == []
