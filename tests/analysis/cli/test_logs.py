"""`bam logs`: what a run has printed, and what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from tests.analysis.cli.test_list import RUN


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = RunFolder.of(Path("runs"), RUN)
    made.describe(RUN)
    made.log.write_text("epoch 1/2\nepoch 2/2\n")
    (made.path / "rank1.log").write_text("rank one\n")
    return made


def test_the_first_rank_s_by_default_and_another_one_s_by_number(folder, capsys):
    assert main(["logs", RUN.key[:5]]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("epoch 1/2\nepoch 2/2\n", f"==> {folder.log} (missing)\n")
    assert main(["logs", RUN.key, "--rank", "1"]) == 0
    assert capsys.readouterr().out == "rank one\n"


def test_a_rank_without_a_log_names_those_that_are_there(folder, capsys):
    assert main(["logs", RUN.key, "--rank", "2"]) == 2
    assert capsys.readouterr().err == (f"bam: {folder.path}: has no rank2.log; it has rank0.log, rank1.log\n")


def test_the_launcher_s_where_no_rank_has_begun(folder, capsys):
    folder.log.rename(folder.path / "launcher.log")
    assert main(["logs", RUN.key]) == 0
    assert capsys.readouterr().out == "epoch 1/2\nepoch 2/2\n"


def test_what_a_terminal_would_obey_is_shown_as_its_escape(folder, capsys):
    folder.log.write_bytes(b"\x1b[2Jgone \xff\n")
    assert main(["logs", RUN.key]) == 0
    assert capsys.readouterr().out == "\\u001b[2Jgone \ufffd\n"


def test_no_link_is_followed(folder, tmp_path, capsys):
    (tmp_path / "secret").write_text("secret")
    folder.log.unlink()
    folder.log.symlink_to(tmp_path / "secret")
    assert main(["logs", RUN.key]) == 2
    assert capsys.readouterr().out == ""


def test_it_follows_until_the_run_has_ended(folder):
    lock = folder.acquire()
    command = [sys.executable, "-P", "-m", "analysis.cli", "logs", RUN.key, "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["epoch 1/2\n", "epoch 2/2\n"]
        with folder.log.open("a") as log:
            log.write("later\n")
        assert process.stdout.readline() == "later\n"
        assert process.poll() is None
        with folder.log.open("a") as log:
            log.write("the end, ü")
        os.close(lock)
        assert process.stdout.read() == "the end, ü"
        assert process.wait(timeout=60) == 0


def test_it_does_not_follow_a_run_that_nobody_trains(folder, capsys):
    begin = time.monotonic()
    assert main(["logs", RUN.key, "--follow"]) == 0
    assert time.monotonic() - begin < 30
    assert capsys.readouterr().out.endswith("epoch 2/2\n")
