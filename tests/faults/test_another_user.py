"""A runs folder and a cache that are another user's: each verb answers from what it may read, or says what not."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from lightning_bam.run_folder.folder import RunFolder
from studies.doctor import runs_folder
from studies.doctor.storage import journal
from studies.library import find_study
from tests.faults.another_user import nobody
from tests.faults.test_fuzzed_records import READERS, call, shared, wrong

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

WRITING = ("run", "run --retry", "search", "search --json", "bundle", "report", "plot", "export", "export model")
"""Verbs that write, or read what weighs a lot."""
READING = [verb for verb in READERS if verb not in WRITING]
QUICK = [verb for verb in READERS if verb not in ("bundle", "report", "plot")]
CHECKS = (runs_folder.room, runs_folder.files, runs_folder.leases, journal)
UNREADABLE = {
    "the runs folder": "runs",
    "a run folder": "runs/OLD",
    "run.json": "runs/OLD/run.json",
    "manifest.json": "runs/OLD/manifest.json",
    "metrics.jsonl": "runs/OLD/metrics.jsonl",
    "result.json": "runs/OLD/result.json",
    "stop": "runs/INTERRUPTED/stop",
    "log": "runs/FAILED/rank0.log",
    "lock": "runs/INTERRUPTED/lock",
    "rules": "runs/rules",
    "rule": "runs/rules/ruled.json",
    "journal": "runs/studies.journal",
    "notes of Slurm": "runs/slurm",
    "place": "runs/.place",
    "study file": "asked.py",
    "table": "table.json",
    "model folder": "model",
    "cache": "cache",
    "counts": "cache/counts",
}


@pytest.fixture(scope="module")
def files():
    """Make the runs folder where everybody may go, with every module loaded: nobody may read where Python lies."""
    home = Path(tempfile.mkdtemp(prefix="bam-test-"))
    home.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAM_CACHE", str(home / "cache"))
        patch.setattr(Distribution, "from_name", cache(Distribution.from_name))
        patch.setattr(PathDistribution, "read_text", cache(PathDistribution.read_text))
        with shared(home) as found:
            (home / "runs" / found["interrupted run.json"].parent.name / "lock").touch()
            for verb in READERS:
                call(verb, found, "old run.json")
            yield found
    shutil.rmtree(home)


@contextmanager
def closed(path: Path):
    """Let nobody but its owner read a file or a folder."""
    before = path.stat().st_mode
    path.chmod(0o700 if path.is_dir() else 0o600)
    try:
        yield
    finally:
        path.chmod(before)


def located(files, text):
    keys = {name.upper(): files[f"{name} run.json"].parent.name for name in ("old", "failed", "interrupted")}
    for name, key in keys.items():
        text = text.replace(name, key)
    return Path(text)


def asked(what):
    """Return all verbs for a run folder, and for each other thing every fourth, in turns."""
    return READERS if what == "a run folder" else [*QUICK][[*UNREADABLE].index(what) % 4 :: 4]


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_may_not_be_read_is_said_in_a_line(files, what):
    path = located(files, UNREADABLE[what])
    answers = {}
    with closed(path), nobody():
        for verb in asked(what):
            answers[verb] = call(verb, files, "old run.json")
    assert {verb: (wrong(answer), answer.said) for verb, answer in answers.items() if wrong(answer)} == {}
    said = {answer.said for answer in answers.values() if answer.code == 2}
    passed = "bam: passed over: "  # what is another study's stops nobody
    refusals = {"\n".join(line for line in text.splitlines() if not line.startswith(passed)) for text in said}
    assert all("\n" not in line.removeprefix("inspecting") or "inspecting" in line for line in refusals)


def test_who_may_only_read_reads_everything(files):
    before = {verb: call(verb, files, "old run.json") for verb in READING}
    with nobody():
        now = {verb: call(verb, files, "old run.json") for verb in READING}
    assert now == before


def test_who_may_not_write_is_told_where(files):
    with nobody():
        said = {verb: call(verb, files, "old run.json") for verb in WRITING}
    assert {verb: wrong(answer) for verb, answer in said.items() if wrong(answer)} == {}
    for verb in ("run", "search"):
        assert said[verb].code == 2
        assert "runs" in said[verb].said
        assert "cannot be" in said[verb].said


def test_a_run_folder_that_may_not_be_written_is_named(files):
    run = next(cell.run for cell in find_study("asked.py").runs())
    folder = RunFolder.of(Path("runs"), run)
    with nobody(), pytest.raises(ValueError, match=f"^{folder.path}/manifest.json: cannot be written"):
        folder.note(state="interrupted")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("what", ["", *UNREADABLE])
def test_the_doctor_looks_at_what_it_may(files, check, what):
    path = located(files, UNREADABLE.get(what, "asked.py"))
    with closed(path), nobody():
        found = list(check(Path("runs")))
    assert all(finding.mend for finding in found if finding.level == "problem")


def test_the_doctor_says_that_a_root_cannot_be_written(files):
    with nobody():
        (found,) = runs_folder.files(Path("runs"))
    assert found.level == "problem"
    assert "cannot be written (Permission denied)" in found.found
