"""A call that is killed when a run has its result, but W&B has not heard of it: the next call tells it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress

import psutil

from lightning_bam.run_folder.folder import RunFolder
from tests.studies.tracking.conftest import environment, until
from tests.studies.tracking.server import StubServer
from tests.studies.tracking.test_outages import without_wandb
from tests.studies.tracking.wandb_file import read

STUDY = """
from tests.studies.conftest import BASE, tiny
STUDY = tiny(name="cut", rows={"none": BASE}, scientific=(), seeds=1)
"""
SPACE = """
from dataclasses import replace
from lightning_bam.config import BAMSpec
from studies import Space
from tests.studies.conftest import BASE
base = replace(BASE, attention=BAMSpec(reduction=4, dilation=1))
SPACE = Space(name="cut", question="Which?", base=base, choices={"attention.combine": ("sum", "max")})
"""
SEARCH = ["search", "cut.py", "--sampler", "brute", "--trials", "1", "--devices", "cpu:1", "--wandb", "online"]
WORDS = [sys.executable, "-m", "analysis.cli"]


def call(place, server, *words):
    told = {**without_wandb(), **environment(server, place)}
    return subprocess.Popen(
        [*WORDS, *words], cwd=place, env=told, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def killed(place, server, *words):
    """Call `bam`, kill every process of it once the run has its result, and return the run's folder."""
    with call(place, server, *words) as process:
        until(lambda: [*place.glob("runs/*/result.json")])
        for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    (path,) = place.glob("runs/*/result.json")
    return RunFolder(path.parent)


def test_what_a_kill_has_cut_off_is_told_by_the_next_call(tmp_path):
    server = StubServer()
    (tmp_path / "cut.py").write_text(STUDY)
    server.hang(only="file_stream")
    words = ["run", "cut.py", "--devices", "cpu:1", "--wandb", "online"]
    folder = killed(tmp_path, server, *words)
    assert read(folder.path)["exit"] is None
    server.recover()
    with call(tmp_path, server, *words) as process:
        _, told = process.communicate()
    assert "1 of 1 runs complete, 0 of them now" in told
    assert "bam: W&B: cut: told again of runs whose record was cut off: 1\n" in told
    run = server.runs[f"lab/lightning-bam/{folder.path.name}"]
    assert len(run.history) == len(folder.metrics())
    assert (run.state, run.exit_code, run.summary["state"]) == ("finished", 0, "complete")
    assert run.summary["test/error_top1"] == folder.result().error_top1
    assert (run.config["row"], run.config["commit"], run.config["host"]) == (
        "none",
        folder.manifest().commit,
        folder.manifest().host,
    )
    whole = [one.name for one in server.artifacts if one.run is run and one.version is not None]
    assert whole == [f"run-{run.id}:v0"], "beside one that the killed call may have begun"
    assert server.unknown == []
    server.close()


def test_a_trial_that_a_kill_has_cut_off_is_told_by_the_next_call_of_its_search(tmp_path):
    server = StubServer()
    (tmp_path / "cut.py").write_text(SPACE)
    server.hang(only="file_stream")
    folder = killed(tmp_path, server, *SEARCH)
    server.recover()
    with call(tmp_path, server, *SEARCH) as process:
        _, told = process.communicate()
    assert "bam: W&B: search+cut: told again of runs whose record was cut off: 1\n" in told
    run = server.runs[f"lab/lightning-bam/{folder.path.name}"]
    assert (run.state, run.exit_code, len(run.history)) == ("finished", 0, len(folder.metrics()))
    assert run.summary["held_out/error_top1"] == folder.result().error_top1
    assert [run.sweep] == list(server.sweeps)
    assert server.unknown == []
    server.close()
