"""`bam` with a GPU, from the command line: runs that share it, a killed scheduler, tables, a retraining, the doctor."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study
from tests.analysis.cli.conftest import TINY

RUN = ["run", "tiny.py", "--devices", "0", "--runs-per-device", "3", "--wandb", "off"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A study trained on the GPU, three runs at a time."""
    home = tmp_path_factory.mktemp("gpu")
    (home / "tiny.py").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(RUN) == 0
    return home


@pytest.fixture
def folders(home, monkeypatch):
    monkeypatch.chdir(home)
    return [RunFolder.of(Path("runs"), run) for _, run in find_study("tiny.py").runs()]


def test_runs_name_the_gpu_and_agree_with_the_table(folders, capsys):
    name = torch.cuda.get_device_name(0)
    assert {folder.manifest().device for folder in folders} == {name}
    assert main(["table", "tiny.py", "--format", "md", "--notes", "all"]) == 0
    table = capsys.readouterr().out
    assert name in table
    assert main(["verify", "tiny.py"]) == 0


def test_a_run_is_reproduced_bit_for_bit(folders, capsys):
    assert main(["reproduce", folders[1].path.name]) == 0
    assert "every figure of every epoch is equal, bit for bit" in capsys.readouterr().out


def test_a_table_of_runs_on_the_gpu_and_on_the_cpu_says_so(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY)
    assert main([*RUN[:2], "--devices", "cpu:2", "--wandb", "off", "--seeds", "1"]) == 0
    assert main(RUN) == 0
    capsys.readouterr()
    assert main(["table", "tiny.py", "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert torch.cuda.get_device_name(0) in out
    assert "cpu" in out


def test_nothing_is_left_on_the_gpu_when_a_scheduler_is_killed(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY.replace("epochs=2", "epochs=400"))
    words = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())", *RUN]
    scheduler = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while len(list(tmp_path.glob("runs/*/checkpoints/last.ckpt"))) < 3:
        assert time.monotonic() < deadline
        assert scheduler.poll() is None
        time.sleep(0.1)
    theirs = psutil.Process(scheduler.pid).children(recursive=True)
    assert len(theirs) >= 4, "the server and three runs"
    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait()
    _, alive = psutil.wait_procs(theirs, timeout=15)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_the_doctor_tries_the_gpu(folders, capsys):
    main(["doctor"])
    found = capsys.readouterr().out
    line = next(line for line in found.splitlines() if "GPU" in line)
    assert re.search(rf"0: {re.escape(torch.cuda.get_device_name(0))}, [\d.]+ of [\d.]+ GiB free", line), found


def test_a_gpu_that_is_not_there_is_one_line(folders, capsys):
    there = torch.cuda.device_count()
    assert main(["run", "tiny.py", "--seeds", "3", "--devices", str(there), "--wandb", "off"]) == 2
    assert f"--devices {there}: torch {torch.__version__} sees {there} GPU" in capsys.readouterr().err
