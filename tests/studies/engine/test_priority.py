"""Seed by seed, and of a seed the longest expected run first."""

from __future__ import annotations

from dataclasses import replace

from lightning_bam.run_folder.folder import RunFolder
from studies.engine.run_study import in_order
from studies.records.records import Record
from tests.studies.conftest import BASE

MACS = {"small": 1_000_000, "large": 9_000_000}


def record(row, seed=0, epochs=10, done=0, state="missing"):
    run = replace(BASE, seed=seed, recipe=replace(BASE.recipe, epochs=epochs))
    return Record(row=row, run=run, folder=RunFolder(f"/none/{row}"), state=state, result=None, epochs=done)


def names(records):
    return [(r.row, r.run.seed) for r in records]


def test_work_decides():
    missing = [record("small"), record("large"), record("medium", epochs=30)]
    assert names(in_order(missing, MACS | {"medium": 1_000_000})) == [("large", 0), ("medium", 0), ("small", 0)]


def test_a_seed_is_whole_before_the_next_begins():
    missing = [record(row, seed) for row in ("small", "large") for seed in (7, 3)]
    rest = [("large", 7), ("small", 7), ("large", 3), ("small", 3)]
    assert names(in_order(missing, MACS)) == rest, "seeds in the study's own order"


def test_equal_runs_keep_their_order_so_that_seeds_fill_up_evenly():
    missing = [record(row, seed) for seed in range(3) for row in ("large", "small")]
    assert names(in_order(missing, {"large": 100, "small": 100})) == names(missing)


def test_what_was_begun_is_finished_first_the_longest_rest_before_the_others():
    missing = [
        record("large", 1),
        record("large", 0, state="interrupted", done=9),
        record("small", 0, epochs=20, state="interrupted", done=1),
        record("large", 2, state="interrupted"),
    ]
    rest = [("small", 0), ("large", 0), ("large", 1), ("large", 2)]
    assert names(in_order(missing, MACS)) == rest, "one that ended no epoch has nothing to lose"
