"""A figure that took several tries says so; what was tried before it counts for nothing else."""

from __future__ import annotations

import json

import pytest

from analysis.cli.verbs.explain import course
from analysis.formats.render import render
from analysis.provenance.explanation import explain
from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, Run
from lightning_bam.run_folder.manifest import KEPT, after_failure, earlier, manifest_of
from studies.definition.study import Study
from studies.records.records import gather
from tests.analysis.synthetic import finish

STUDY = Study(
    name="made-up",
    question="Does BAM help?",
    rows={"none": Run(), "BAM": Run(attention=BAMSpec())},
    baseline="none",
    scientific=("attention",),
    seeds=3,
)
MADE = {"started": "2026-11-20T10:00:00+00:00", "commit": "3f2a91c", "torch": "2.11.0", "world_size": 1}
OLD = MADE | {"commit": "0000000", "torch": "1.0.0", "world_size": 4}


def memory(number):
    return OLD | {"attempt": number, "from_epoch": 0, "failed": "out of memory (...)", "cause": "memory"}


LAST = MADE | {"attempt": 3, "from_epoch": 0, "anew": True}


@pytest.fixture
def records(tmp_path):
    """BAM has failed at seed 1, twice, and at seed 2, from whose checkpoint a retry went on; seed 0 began anew once."""
    tries = {
        0: [OLD | {"attempt": 1, "from_epoch": 0, "cause": "stopped by signal 15"}, LAST],
        1: [memory(1), memory(2) | {"anew": True}, LAST],
        2: [MADE | {"from_epoch": 0, "failed": "loss is nan", "cause": "nan"}, MADE | {"from_epoch": 1}],
    }
    for row, run in STUDY.runs():
        attempts = {"attempts": tries[run.seed]} if row == "BAM" else {}
        finish(tmp_path, run, 20 - (row == "BAM") - run.seed / 4, loss=2 + run.seed / 8 + len(row) / 64, **attempts)
    return gather(STUDY, tmp_path)


TOLD = (
    "'BAM' took several tries: seed 1 failed twice (out of memory), seed 2 failed once (loss not a number) before the "
    "figure came."
)


def test_the_table_tells_of_failures_and_not_of_interruptions(records):
    table = tabulate(records, STUDY)
    assert table.notes.count(TOLD) == 1
    assert [row.notes for row in table.rows] == [(), (TOLD,)]
    assert json.loads(render(table, "json"))["rows"][1]["notes"] == [TOLD]
    assert TOLD in render(table, "csv")
    assert "took several tries: seed 1 failed twice (out of memory)" in render(table, "text").replace("\n", " ")


def test_what_was_tried_before_is_mixed_into_nothing(records):
    """Attempts that nothing rests on any more had another commit, another torch and four ranks."""
    table = tabulate(records, STUDY)
    assert table.footnotes == ()
    assert "Trained with 1 rank(s) a run, torch 2.11.0, commit 3f2a91c." in table.made
    assert table.device_hours == pytest.approx(6 * 10 / 3600)


def test_explain_shows_all_and_says_which_count(records):
    runs = explain(STUDY, records, "BAM").runs
    assert [[made["counts"] for made in run["attempts"]] for run in runs] == [
        [False, True],
        [False, False, True],
        [True, True],
    ]
    courses = [course(made) for made in runs[1]["attempts"]]
    assert [text.partition(";")[2] for text in courses] == [
        *[" failed: out of memory (...); nothing of it is in the figures"] * 2,
        "",
    ]
    assert ", from epoch 0, anew, on " in courses[2]
    assert [made.get("failed") for made in runs[1]["attempts"]] == ["out of memory (...)", "out of memory (...)", None]


def test_attempts_that_nothing_rests_on_are_kept_up_to_a_number():
    manifest = {"state": "failed", "error": "boom" * 1000, "cause": "error", "attempts": [{"attempt": 0}]}
    for number in range(1, 50):
        tried = earlier(manifest_of(manifest, "here"), resumed=False)
        assert tried[-1]["failed"].startswith("boom")
        assert len(tried[-1]["failed"]) <= 300
        manifest = manifest | {"attempts": [*tried, {"attempt": number, "anew": True}]}
    assert [made["attempt"] for made in manifest["attempts"]] == list(range(49 - KEPT, 50))
    assert [made.attempt for made in manifest_of(manifest, "here").effective] == [49]
    on = manifest | {
        "state": "interrupted",
        "attempts": [*manifest["attempts"], *({"attempt": n} for n in range(50, 99))],
    }
    attempts = earlier(manifest_of(on, "here"), resumed=True)
    assert len(attempts) == KEPT + 1 + 49, "what a figure rests on is all kept"


def test_a_failure_is_marked_once_whatever_ends_the_next_attempt_before_its_first_word():
    manifest = {"state": "failed", "error": "no room", "cause": "memory", "attempts": [{"attempt": 1}]}
    marked = after_failure(manifest_of(manifest, "here"))
    lost = manifest | {"state": "interrupted", "cause": "stopped by signal 15", "attempts": marked}
    assert earlier(manifest_of(lost, "here"), resumed=False) == [{"attempt": 1, "cause": "memory", "failed": "no room"}]
