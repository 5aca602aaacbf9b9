"""W&B's server dead, hanging, refusing, slow, gone half way: training goes on, nothing is lost, a line says what to do.

Real calls of `bam run`, all at once, as most of their time they wait; in one each run has its own fault of the server.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from lightning_bam.run_folder.folder import RunFolder
from studies.tracking.session import SERVER_WAIT
from studies.tracking.store import unsent
from tests.studies.tracking.conftest import environment, until
from tests.studies.tracking.server import StubServer
from tests.studies.tracking.wandb_file import read

EPOCHS = 12
STUDY = f"""
from dataclasses import replace
from tests.studies.conftest import BASE, tiny
row = replace(BASE, recipe=replace(BASE.recipe, epochs={EPOCHS}))
STUDY = tiny(name="long", rows={{"none": row}}, scientific=())
"""
SEEDS = ("well", "slow", "comes back", "killed", "hangs", "refuses", "refuses half way", "fails half way")
"""What becomes of the server, or of the run, by seed."""
SENT = SEEDS[:4]
"""Those that the server has in the end."""
QUICK = ("well", "slow", "refuses", "refuses half way")
"""Those that nobody waits for."""
FIGURES = ("epoch", "train_loss", "loss", "error_top1", "lr")
"""What a line of `metrics.jsonl` has that no clock has measured."""
OWN_SECONDS = 10
"""What W&B, and the end of a process, take by themselves on a busy machine."""


@dataclass
class Call:
    """A call of `bam run` that has ended: its lines on stderr and when each came, in seconds since 1970."""

    place: Path
    server: StubServer
    environment: dict[str, str]
    code: int
    lines: dict[str, float]

    def folder(self, name):
        """Return the folder of the run with the seed of this name."""
        folders = (RunFolder(path.parent) for path in self.place.glob("runs/*/run.json"))
        (found,) = (folder for folder in folders if folder.run().seed == SEEDS.index(name))
        return found

    def figures(self, name):
        """Return what a run has learnt."""
        return [{key: line[key] for key in FIGURES} for line in self.folder(name).metrics()]

    def run(self, name):
        """Return a run as the server has it."""
        return self.server.runs[f"lab/lightning-bam/{self.folder(name).path.name}"]

    def waited(self, name):
        """Return for how many seconds a run has gone on after it had its result."""
        (ended,) = (when for line, when in self.lines.items() if f" seed {SEEDS.index(name)}: " in line)
        return ended - (self.folder(name).path / "result.json").stat().st_mtime


def without_wandb():
    """Return the environment of a call that finds `tests`, without what W&B reads from it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[3])}


def call(place, *words, server, meanwhile=lambda process: None):
    """Train the study in a folder of its own."""
    place.mkdir()
    (place / "long.py").write_text(STUDY)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    told = {**without_wandb(), **environment(server, place), "PATH": path}
    command = [sys.executable, "-m", "analysis.cli", "run", "long.py", *words]
    with subprocess.Popen(command, cwd=place, env=told, stderr=subprocess.PIPE, text=True) as process:
        meanwhile(process)
        lines = {line.rstrip(): time.time() for line in process.stderr}
    return Call(place, server, told, process.returncode, lines)


def keys(place):
    """Return the keys of the study's runs by the names of their seeds."""
    (place / "long.py").write_text(STUDY)
    words = [sys.executable, "-m", "analysis.cli", "status", "long.py", "--seeds", str(len(SEEDS)), "--json"]
    told = subprocess.run(words, cwd=place, env=without_wandb(), capture_output=True, check=True).stdout
    found = json.loads(told)
    return {SEEDS[run["seed"]]: run["key"] for run in found}


def kill(process, key):
    """Kill the process group that trains a run."""
    log = f"/{key}/rank0.log"
    for child in psutil.Process(process.pid).children(recursive=True):
        if any(file.path.endswith(log) for file in child.open_files()):
            os.killpg(os.getpgid(child.pid), signal.SIGKILL)
            return
    raise AssertionError("nobody trains it")


def train_with_faults(place):
    """Train all seeds at once, each with what its name says."""
    server, key = StubServer(), keys(place.parent)
    stream = {name: f"{key[name]}/file_stream" for name in key}
    server.hang(only=f"UpsertBucket {key['hangs']}")
    server.refuse(403, only=f"UpsertBucket {key['refuses']}")
    server.slow(0.3, only=key["slow"])
    server.refuse(403, after=1, only=stream["refuses half way"])
    server.refuse(500, after=1, only=stream["fails half way"])
    server.refuse(500, after=1, only=stream["comes back"])

    def meanwhile(process):
        killed = f"lab/lightning-bam/{key['killed']}"
        until(lambda: killed in server.runs and server.runs[killed].history)
        kill(process, key["killed"])
        until(lambda: server.faults[stream["comes back"]].heard > 3)
        server.recover(stream["comes back"])

    slots = ("--seeds", str(len(SEEDS)), "--devices", f"cpu:{len(SEEDS)}")
    return call(place, *slots, "--wandb", "online", server=server, meanwhile=meanwhile)


def train_with_a_server_that_dies(place):
    """Train two seeds; the server is gone when it has an epoch of each."""
    server = StubServer()

    def meanwhile(process):
        until(lambda: [bool(run.history) for run in server.runs.values()] == [True, True])
        server.die()

    return call(place, "--seeds", "2", "--devices", "cpu:2", "--wandb", "online", server=server, meanwhile=meanwhile)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """Return the calls: without W&B, with a fault for each seed, and with a server that dies."""
    place = tmp_path_factory.mktemp("outages")
    words = ("--seeds", str(len(SEEDS)), "--devices", "cpu:2", "--wandb", "off")
    with ThreadPoolExecutor(3) as pool:
        off = pool.submit(call, place / "off", *words, server=StubServer())
        faults = pool.submit(train_with_faults, place / "faults")
        dies = pool.submit(train_with_a_server_that_dies, place / "dies")
    calls = [one.result() for one in (off, faults, dies)]
    yield calls
    for one in calls:
        one.server.close()


def test_training_learns_the_same_and_never_waits_for_long(calls):
    off, faults, dies = calls
    assert [call.code for call in calls] == [0, 0, 0]
    assert [faults.figures(name) for name in SEEDS] == [off.figures(name) for name in SEEDS]
    assert [dies.figures(name) for name in SEEDS[:2]] == [off.figures(name) for name in SEEDS[:2]]
    for name in SEEDS:
        assert faults.waited(name) < (OWN_SECONDS if name in QUICK else SERVER_WAIT + OWN_SECONDS), name
    assert max(dies.waited(name) for name in SEEDS[:2]) < SERVER_WAIT + OWN_SECONDS


def test_one_line_says_what_no_server_has_and_what_sends_it(calls):
    off, faults, dies = calls
    assert not any("W&B" in line for line in off.lines)
    *_, last = faults.lines
    assert last == "bam: W&B: 4 records could not be sent; `wandb sync --include-online runs/wandb/*run-*` sends them"
    assert sum("W&B" in line for line in faults.lines) == 2, "and one where the study is"
    *_, last = dies.lines
    assert last.startswith("bam: W&B: 3 records could not be sent; "), "two trainings and what they came to"
    told = (faults.folder("refuses half way").path / "rank0.log").read_text()
    assert "W&B: the server refuses this run; the record is kept, `wandb sync --include-online " in told
    assert "W&B: no answer; the record is kept" in (faults.folder("fails half way").path / "rank0.log").read_text()


@pytest.mark.parametrize("name", SENT)
def test_the_server_has_what_it_could_take(calls, name):
    _, faults, _ = calls
    found = faults.run(name)
    assert [line["epoch"] for line in found.history] == [*range(1, EPOCHS + 1)], "each once"
    assert (found.state, found.summary["test/error_top1"]) == ("finished", faults.figures(name)[-1]["error_top1"])
    assert found.console == (faults.folder(name).path / "rank0.log").read_text().splitlines(), "of both attempts"


def test_the_records_hold_the_rest_and_the_command_sends_them(calls):
    _, *without = calls
    for call, names in zip(without, (SEEDS[4:], SEEDS[:2]), strict=True):
        for name in names:
            assert [line["epoch"] for line in read(call.folder(name).path)["history"]] == [*range(1, EPOCHS + 1)], name
        *_, last = call.lines
        call.server.recover()
        before = len(call.server.requests)
        command = re.search("`(.*)`", last)[1]
        subprocess.run(command, shell=True, cwd=call.place, env=call.environment, check=True, capture_output=True)
        assert len(call.server.requests) > before
        ids = {call.folder(name).path.name for name in names}
        assert unsent(call.place / "runs", ids) == []
        for name in names:
            found = call.run(name)
            assert [line["epoch"] for line in found.history] == [*range(1, EPOCHS + 1)], f"{name}: each once"
            assert (found.state, found.summary["state"]) == ("finished", "complete")
            assert [one.name for one in call.server.artifacts if one.run is found] == [f"run-{found.id}:v0"]
        assert call.server.unknown == []
