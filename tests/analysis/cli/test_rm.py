"""`bam rm`: runs go with what W&B has of them, never a running one, and a study keeps a trace of its results."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli import main
from analysis.cli.verbs import rm
from lightning_bam.run_folder.folder import RunFolder
from tests.analysis.cli.test_list import RUN, begin


def keys():
    return {path.name for path in Path("runs").iterdir() if len(path.name) == 16}


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Be in a folder with four runs, one of them of another study, too."""
    monkeypatch.chdir(tmp_path)
    runs = [replace(RUN, seed=seed) for seed in range(4)]
    for run in runs:
        begin(Path("runs"), run, "tiny", "none")
    RunFolder.of(Path("runs"), runs[3]).note(studies={"tiny": {"row": "none"}, "other": {"row": "a"}})
    return [run.key for run in runs]


def test_without_yes_it_says_what_it_would_remove_and_removes_nothing(four, capsys):
    record = Path("runs/wandb", f"offline-run-20260101_000000-{four[1]}")
    record.mkdir(parents=True)
    (record / "run.wandb").write_bytes(b"x" * 5000)
    assert main(["rm", four[1][:6]]) == 0
    out, err = capsys.readouterr()
    size = (5000 + sum(file.stat().st_size for file in Path("runs", four[1]).iterdir())) / 1e3
    assert out == f"{four[1]}  complete  tiny, row none, seed 1  ({size:.0f} kB, 1 of W&B's records)\n"
    assert f"1 run, {size:.0f} kB: nothing was removed; say --yes to remove them" in err
    assert keys() == {*four}
    assert record.exists()
    assert main(["rm", four[1][:6], "--yes"]) == 0
    assert keys() == {*four} - {four[1]}
    assert not record.exists()
    assert not [path for path in Path("runs").iterdir() if path.name.startswith(".")]


def test_a_study_s_label_names_all_runs_that_it_has_begun(four, capsys):
    assert main(["rm", "tiny", "--yes"]) == 0
    assert keys() == set()
    assert f"begun for more than one study: 1 run, as {four[3]}" in capsys.readouterr().err


def test_a_running_run_stays_and_all_others_with_it(four, capsys):
    lock = RunFolder(f"runs/{four[2]}").acquire()
    Path("runs", four[2], "result.json").unlink()
    try:
        assert main(["rm", *four, "--yes"]) == 2
    finally:
        os.close(lock)
    assert capsys.readouterr().err.endswith(
        f"bam: runs/{four[2]}: is being trained; end that first (nothing was removed)\n"
    )
    assert keys() == {*four}


def test_one_that_begins_to_run_meanwhile_stays(four, capsys, monkeypatch):
    """Its scheduler takes the lock between the look and the removal."""
    usual, locks = rm.warnings, []

    def later(*arguments):
        locks.append(RunFolder(f"runs/{four[0]}").acquire())
        return usual(*arguments)

    monkeypatch.setattr(rm, "warnings", later)
    try:
        assert main(["rm", four[0], "--yes"]) == 2
    finally:
        os.close(*locks)
    assert keys() == {*four}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing", "neither a study that has begun runs under runs nor a run's key"),
        ("", "neither a study that has begun runs under runs nor a run's key"),
        ("../runs", "neither a study that has begun runs under runs nor a run's key"),
        ("runs", "neither a study that has begun runs under runs nor a run's key"),
    ],
)
def test_what_names_no_run_is_refused(four, capsys, text, reason):
    assert main(["rm", four[0], text, "--yes"]) == 2
    assert reason in capsys.readouterr().err
    assert keys() == {*four}


def test_a_link_in_place_of_a_run_is_refused_and_what_it_leads_to_stays(four, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    shutil.rmtree(f"runs/{four[0]}")
    Path("runs", four[0]).symlink_to(tmp_path / "mine")
    assert main(["rm", four[0], "--yes"]) == 2
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"


def test_links_in_a_run_are_not_followed(four, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    Path("runs", four[0], "checkpoints").symlink_to(tmp_path / "mine")
    assert main(["rm", four[0], "--yes"]) == 0
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"


def test_a_damaged_run_can_be_removed(four):
    for name in ("run.json", "manifest.json"):
        Path("runs", four[0], name).write_text("{")
    assert main(["rm", four[0], "--yes"]) == 0
    assert keys() == {*four} - {four[0]}


def test_a_rule_s_run_is_said_to_be_one_and_the_rule_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    begin(Path("runs"), RUN, "tiny", "none", rule="0" * 64, declared="2026-01-02T00:00:00+00:00")
    Path("runs/rules").mkdir()
    Path("runs/rules/tiny.json").write_text("{}")
    assert main(["rm", "tiny", "--yes"]) == 0
    assert "begun under the stopping rule of 'tiny' (declared 2026-01-02): 1 run; the rule stays" in (
        capsys.readouterr().err
    )
    assert Path("runs/rules/tiny.json").exists()


class TestTrace:
    def table(self, capsys, *argv):
        capsys.readouterr()
        assert main(["table", "tiny.py", "--format", "json", *argv]) == 0
        return json.loads(capsys.readouterr().out)["notes"]

    def test_a_table_says_that_results_were_removed_until_they_are_there_again(self, tiny_copy, capsys):
        folder = tiny_copy["BAM", 1]
        shutil.copytree(folder.path, "kept")
        before = self.table(capsys)
        assert main(["rm", folder.path.name, "--yes"]) == 0
        line = "`bam rm` has removed 1 result of this study (row 'BAM'): results dropped after a look make p too small."
        assert line in self.table(capsys)
        assert line not in before
        shutil.copytree("kept", folder.path)
        assert self.table(capsys) == before

    def test_a_bundle_s_table_says_so_too(self, tiny_copy, capsys):
        assert main(["rm", tiny_copy["BAM", 1].path.name, "--yes"]) == 0
        assert main(["bundle", "tiny.py", "-o", "tiny.tar.gz", "--partial", "--anonymous"]) == 0
        shutil.unpack_archive("tiny.tar.gz", "unpacked")
        (top,) = Path("unpacked").iterdir()
        os.chdir(top)
        assert main(["verify", "study.py", "--root", "runs", "--table", "table.json"]) == 0, capsys.readouterr()
        assert "has removed 1 result of this study" in Path("table.json").read_text()

    def test_lines_that_are_none_are_passed_over(self, tiny_copy, capsys):
        before = self.table(capsys)
        Path("runs/removed.jsonl").write_text('{"study": "tiny"}\nno json\n[]\n' + "[" * 100_000 + "\n")
        assert self.table(capsys) == before
