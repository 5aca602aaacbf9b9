"""A search is one sweep on a W&B server, whoever trains its trials and whenever."""

from __future__ import annotations

import json
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


SHELL = """
import contextlib, io, json, sys
from analysis.cli import main
for line in sys.stdin:
    with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
        main(json.loads(line))
    print(json.dumps(told.getvalue()), flush=True)
"""


class Person:
    """Somebody who is logged in to a server, with a process of their own whose runs are forked from one server."""

    def __init__(self, place, server):
        self.server = server
        (place / "small.py").write_text(CHOICES)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        told = {**kept, **environment(server, place), "PYTHONPATH": str(Path(__file__).parents[3])}
        told["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.here = {"cwd": place, "env": told}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", SHELL], **self.here, **pipes)

    def call(self, *words, mode):
        """Call `bam`, and return what it says on stderr."""
        print(json.dumps([*words, "--devices", "cpu:2", "--wandb", mode]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def search(self, trials, *words, mode="online"):
        """Try so many configurations in all."""
        return self.call("search", "small.py", "--sampler", "brute", "--trials", str(trials), *words, mode=mode)

    def send(self, told):
        """Do what a line says."""
        subprocess.run(re.search("`(wandb sync .*?)`", told)[1], shell=True, check=True, **self.here)


@pytest.fixture
def person(tmp_path):
    """Yield somebody with a server."""
    with StubServer() as server:
        person = Person(tmp_path, server)
        yield person
        person.process.communicate()
        assert server.unknown == []


def test_all_trials_of_a_search_are_in_its_sweep_and_no_other_run(person):
    server = person.server
    assert "W&B: 1 record in runs/wandb" in person.search(1, mode="offline")
    told = person.search(2)
    assert "bam: W&B: 1 record could not be sent; " in told, "that of the call before"
    assert "W&B: search+small: no sweep (1 earlier run is not sent; `wandb sync --include-online runs/" in told
    assert server.sweeps == {}
    person.send(told)
    assert [run.sweep for run in server.runs.values()] == [None, None]
    told = person.search(3)
    (sweep,) = server.sweeps.values()
    address = f"{server.url}/lab/lightning-bam/sweeps/{sweep.name}"
    assert f"W&B: search+small as a sweep: {address}; its view: {server.url}/lab" in told
    assert [run.sweep for run in server.runs.values()] == [sweep.name] * 3
    person.send(person.search(4, "--confirm", "1", mode="offline"))
    assert [run.sweep for run in server.runs.values()] == [sweep.name] * 4, "a record says where it belongs"
    assert all(sweep.config["metric"]["name"] in run.summary for run in server.runs.values())
    person.call("run", "runs/confirm-small.py", "--seeds", "1", mode="online")
    confirming = [run for run in server.runs.values() if run.group == "confirm-small"]
    assert len(confirming) == 3
    assert {run.sweep for run in confirming} == {None}
    person.search(1, "--seeds", "2")
    (other,) = server.sweeps.keys() - {sweep.name}
    assert [run.config["seed"] for run in server.runs.values() if run.sweep == other] == [1], "0 is the first one's"
    assert len([run for run in server.runs.values() if run.sweep == sweep.name]) == 4
