"""Folders seen by a second process are seen as by the first, and what that one does not tell is seen here."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import psutil
import pytest

from studies import records, sight
from studies.records import gather, read
from studies.sight import SHARE, Sights, look
from tests.analysis.synthetic import ERRORS, STUDY, interrupt, write

KEYS = [f"{digit:x}{'0' * 15}" for digit in range(16)]


@pytest.fixture
def root(tmp_path):
    """Folders with four, two and one of the files, one without any, and keys without a folder."""
    for number, key in enumerate(KEYS[:14]):
        (tmp_path / key).mkdir()
        for name in sight.FILES[: (4, 2, 1, 0)[number % 4]]:
            (tmp_path / key / name).write_text(name * number)
            os.utime(tmp_path / key / name, (1e9, 1e9 + number))
    return tmp_path


@pytest.fixture
def seen_here(monkeypatch):
    """Return the keys at which this process has looked."""
    keys = []

    def noted(folder, quiet=None):
        keys.append(folder.rpartition("/")[2])
        return look(folder, quiet)

    monkeypatch.setattr(sight, "look", noted)
    return keys


def test_two_processes_see_what_one_sees(root, seen_here):
    expected = [look(f"{root}/{key}") for key in KEYS]
    assert [found is None for found in expected] == [n % 4 == 3 or n > 13 for n in range(16)]
    with Sights(str(root), wanted=16) as sights:
        assert sights.of(KEYS) == expected
    there = [key for key, found in zip(KEYS, expected, strict=True) if found and key < SHARE]
    assert len(there) == 9
    assert sorted(seen_here) == sorted(set(KEYS) - set(there))
    with Sights(str(root), wanted=0) as sights:
        assert sights.of(KEYS) == expected


def test_a_change_is_seen(root):
    before = [look(f"{root}/{key}") for key in KEYS]
    (root / KEYS[4] / "metrics.jsonl").write_text("more")
    (root / KEYS[12] / "metrics.jsonl").unlink()
    with Sights(str(root), wanted=16) as sights:
        after = sights.of(KEYS)
    assert [a != b for a, b in zip(before, after, strict=True)] == [n in (4, 12) for n in range(16)]
    assert (before[4].quiet, after[4].quiet, after[12].quiet) == (False, False, False)


def test_what_has_changed_lately_is_told_by_the_same_measure(root, monkeypatch):
    monkeypatch.setattr(sight, "QUIET", 0)
    with Sights(str(root), wanted=16) as sights:
        assert {found.quiet for found in sights.of(KEYS) if found} == {True}
    monkeypatch.setattr(sight, "QUIET", 3600 * 10**9)
    with Sights(str(root), wanted=16) as sights:
        assert {found.quiet for found in sights.of(KEYS) if found} == {False}


@pytest.mark.parametrize("end", ["killed", "cut short", "not started"])
def test_a_process_that_says_nothing_is_not_missed(root, monkeypatch, end):
    expected = [look(f"{root}/{key}") for key in KEYS]
    if end == "not started":
        monkeypatch.setattr(sys, "executable", "/nonexistent")
    with Sights(str(root), wanted=16) as sights:
        if end == "killed":
            sights._process.kill()
        elif end == "cut short":
            answer, _ = sights._process.communicate()
            sights._process.communicate = lambda: (answer[:-9], None)
        assert sights.of(KEYS) == expected


def test_other_studies_folders_are_not_looked_at_for_a_small_one(root, seen_here):
    """Fourteen folders are twice as many as seven; with a file beside them there are more."""
    expected = [look(f"{root}/{key}") for key in KEYS]
    with Sights(str(root), wanted=7) as sights:
        assert sights.of(KEYS) == expected
    assert len(seen_here) == 7
    (root / "studies.journal").touch()
    with Sights(str(root), wanted=7) as sights:
        assert sights.of(KEYS) == expected
    assert len(seen_here) == 7 + 16


def test_no_process_is_left_where_nobody_asks(root):
    me = psutil.Process()
    before = me.children()
    with Sights(str(root), wanted=16):
        assert len(me.children()) == len(before) + 1
    assert me.children() == before


def test_a_large_study_is_gathered_by_two_processes_as_it_is_read_by_one(tmp_path, monkeypatch):
    started = []
    start = sight.subprocess.Popen
    monkeypatch.setattr(sight.subprocess, "Popen", lambda *a, **kw: started.append(a) or start(*a, **kw))
    monkeypatch.setattr(records, "cores", lambda: 2)
    monkeypatch.setattr(records, "MANY", 0)
    monkeypatch.setattr(sight, "QUIET", 0)
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "runs", STUDY, ERRORS)
    interrupt(tmp_path / "runs", replace(STUDY.rows["BAM max"], seed=2), "failed")
    plain = read(STUDY.runs(), tmp_path / "runs")
    for more, count in ((10_000, 0), (1, 1), (1, 2)):
        monkeypatch.setattr(records, "MORE", more)
        assert [told(record) for record in gather(STUDY, tmp_path / "runs")] == [told(record) for record in plain]
        assert len(started) == count
    monkeypatch.setattr(records, "cores", lambda: 1)
    gather(STUDY, tmp_path / "runs")
    assert len(started) == 2


def told(record):
    return (record.row, record.run.key, record.state, record.result, record.epochs, record.circumstances)
