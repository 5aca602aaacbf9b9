"""What a shell gets behind a Tab, asked as argcomplete's shell code asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from studies.library import catalogue


@pytest.fixture
def offered(tmp_path):
    """Return what is offered at the end of a line, typed in a folder with `mine.py` and one run of the key 0abc."""
    (tmp_path / "mine.py").write_text("raise RuntimeError('run for a Tab')")
    (tmp_path / "runs" / "0abc").mkdir(parents=True)
    (tmp_path / "runs" / "0abc" / "run.json").write_text("{}")

    def ask(line):
        out = tmp_path / "offered"
        asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_SHELL": "bash", "_ARGCOMPLETE_STDOUT_FILENAME": str(out)}
        asked |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "_ARGCOMPLETE_IFS": "\n"}
        asked |= {"_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:"}
        code = "from analysis.cli import main; main()"
        words = [sys.executable, "-P", "-c", code]
        subprocess.run(words, env=os.environ | asked, cwd=tmp_path, check=True, capture_output=True)
        return out.read_text().split("\n") if out.exists() else []

    return ask


def test_verbs(offered):
    assert offered("bam ta") == ["table "]
    assert offered("bam stu") == ["studies "]


def test_studies_and_files_and_none_of_them_is_run(offered):
    assert set(offered("bam run ")) >= {*catalogue(), "mine.py"}
    assert offered("bam run m") == ["mine.py "]
    assert offered("bam search b") == ["bam "]


def test_options_and_what_belongs_to_the_study_that_is_named(offered):
    assert offered("bam table reduction --stri") == ["--strict "]
    assert offered("bam table reduction --format ht") == ["html "]
    assert offered("bam run reduction --preset s") == ["small "]
    assert offered("bam run reduction --set recipe.ep") == ["recipe.epochs="]
    assert "none" in offered("bam explain reduction ")
    assert offered("bam table reduction --against n") == ["none "]
    assert offered("bam export 0") == ["0abc "]
    assert offered("bam help sto") == ["stopping "]
