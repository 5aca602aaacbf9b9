"""`bam table --from wandb:...`: the table from a server's stored data alone, and what is said of it."""

from __future__ import annotations

import copy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.cli import main
from tests.analysis.cli.conftest import TINY
from tests.studies.tracking.conftest import wandb_server  # noqa: F401  a fixture

STUDY = TINY.replace(
    '"BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))',
    '"BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1)), '
    '"wild": replace(base, recipe=replace(base.recipe, lr=1e30)), '
    '"long": replace(base, recipe=replace(base.recipe, epochs=5000))',
).replace('("attention",)', '("attention", "recipe.lr", "recipe.epochs")')
OTHER = TINY.replace('"tiny"', '"other"').replace('"BAM"', '"ECA"')
OTHER = OTHER.replace("BAMSpec(reduction=4, dilation=1)", "ECASpec()").replace("BAMSpec", "ECASpec")
KEPT = []
PROJECT = ["--from", "wandb:lab/lightning-bam"]


def interrupt_once_there_is_a_checkpoint(words):
    with subprocess.Popen([sys.executable, "-m", "analysis.cli", *words], stderr=subprocess.PIPE) as call:
        until = time.monotonic() + 60
        while not any("long" in path.read_text() for path in Path("runs").glob("*/checkpoints/../manifest.json")):
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(1)
        call.send_signal(signal.SIGINT)
        assert call.wait() == 130, call.stderr.read()


def train(home, monkeypatch):
    monkeypatch.chdir(home)
    Path("tiny.py").write_text(STUDY)
    Path("other.py").write_text(OTHER)
    online = ["--devices", "cpu:2", "--wandb", "online"]
    assert main(["run", "tiny.py", "--only", "row=BAM", "--only", "row=wild", "--seeds", "3", *online]) == 1
    assert main(["run", "other.py", *online]) == 0
    interrupt_once_there_is_a_checkpoint(["run", "tiny.py", "--only", "row=long", "--seeds", "1", *online])


@pytest.fixture
def server(wandb_server, tmp_path, tmp_path_factory, monkeypatch):  # noqa: F811
    """Be in a copy of a folder whose runs a server has been told of; they are trained once."""
    parts = ("runs", "artifacts", "blobs", "projects")
    if not KEPT:
        home = tmp_path_factory.mktemp("trained")
        train(home, monkeypatch)
        assert wandb_server.unknown == []
        KEPT.append((home, {part: copy.deepcopy(getattr(wandb_server, part)) for part in parts}))
    home, stored = KEPT[0]
    for part, content in copy.deepcopy(stored).items():
        setattr(wandb_server, part, content)
    shutil.copytree(home, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    wandb_server.requests.clear()
    yield wandb_server
    assert wandb_server.unknown == []


def out(capsys, *words):
    assert main(["table", *words]) == 0
    return capsys.readouterr()


GAP = "bam: tiny: runs that wandb:lab/lightning-bam has without a record yet: 1 interrupted\n"


@pytest.mark.parametrize("words", [["tiny.py"], ["other.py"], ["tiny.py", "other.py"], ["tiny.py", "--seeds", "3"]])
@pytest.mark.parametrize("form", [["--format", "csv"], [], ["--notes", "all"]])
def test_the_table_is_the_same_from_stored_data_alone(server, capsys, words, form):
    here = out(capsys, *words, *form)
    shutil.rmtree("runs")
    before = sorted(Path().rglob("*"))
    there = out(capsys, *words, *form, *PROJECT)
    assert there.out == here.out
    assert there.err == (GAP if "tiny.py" in words else "")
    assert sorted(Path().rglob("*")) == before, "nothing is written"


@pytest.mark.parametrize("form", [["--format", "json"], ["--runs"], ["--cost"], ["--against", "ECA"]])
def test_of_a_study_whose_runs_are_complete_all_else_is_the_same_too(server, capsys, form):
    here = out(capsys, "other.py", *form)
    shutil.rmtree("runs")
    there = out(capsys, "other.py", *form, *PROJECT)
    assert (there.out, there.err) == (here.out, "")
