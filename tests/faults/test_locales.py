"""Where the locale is not UTF-8: files are UTF-8 and whole all the same, and a terminal gets what it can show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.cli import main
from studies.library import find_study
from tests.analysis.synthetic import finish

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Recipe, Run
from studies import Study
plain = Run(recipe=Recipe(epochs=2))
rows = {"ohne": plain, "für ≥ 3": replace(plain, attention=BAMSpec())}
STUDY = Study(
    name="mine", question="Hilft es – über alles?", rows=rows, baseline="ohne", scientific=("attention",), seeds=3
)
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(STUDY, encoding="utf-8")
    for place, (_, run) in enumerate(find_study("mine.py").runs()):
        finish(Path("runs"), run, 20 + place % 4, loss=2 + place / 8)


def called(*words, shell=None):
    """Call `bam` under such a locale, through a shell's redirection if there is one."""
    bam = [sys.executable, "-m", "analysis.cli", *words]
    home = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["sh", "-c", f'exec "$@" {shell}', "sh", *bam] if shell else bam
    return subprocess.run(command, env=os.environ | ASCII | home, capture_output=True, check=False)


def test_a_file_is_utf_8_and_is_replaced_whole_or_not_at_all(record, capsys):
    assert main(["table", "mine.py"]) == 0
    expected = capsys.readouterr().out
    assert "für ≥ 3" in expected
    Path("table.txt").write_text("what was there")
    assert called("table", "mine.py", "--output", "table.txt").returncode == 0
    assert Path("table.txt").read_text(encoding="utf-8") == expected
    assert called("table", "mine.py", shell="> redirected.txt").returncode == 0
    assert Path("redirected.txt").read_text(encoding="utf-8") == expected
    Path("there").mkdir()
    before = sorted(Path.cwd().iterdir())
    assert called("table", "mine.py", "--output", "there").returncode == 2
    assert sorted(Path.cwd().iterdir()) == before


def test_a_terminal_gets_what_it_can_show(record, capsys):
    assert main(["table", "mine.py"]) == 0
    expected = capsys.readouterr().out
    done = called("table", "mine.py")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode("ascii")
    assert [len(line) for line in shown.splitlines()] == [len(line) for line in expected.splitlines()]
    assert "f?r ? 3" in shown
    assert "---------" in shown
    assert "20.67 ~ 1.15 (3)" in shown


@pytest.mark.parametrize("verb", ["seeds", "report", "bundle", "plan", "status", "verify"])
def test_every_verb_that_prints_or_writes_such_signs(record, verb):
    done = called(verb, "mine.py", *(["-o", "sent.tar.gz"] if verb == "bundle" else []))
    assert done.returncode == 0, done.stderr
    if verb == "report":
        assert "für ≥ 3" in Path("report.html").read_text(encoding="utf-8")


def test_what_is_written_to_a_stdout_that_is_closed_is_lost(record):
    done = called("table", "mine.py", shell=">&-")
    assert (done.returncode, done.stderr) == (0, b"")
    done = called("table", "nothing", shell="2>&-")
    assert (done.returncode, done.stdout) == (2, b"")
