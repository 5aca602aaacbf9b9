"""Random processes are killed while a study is trained; `python -m tests.end_to_end.chaos` does the same at length."""

from __future__ import annotations

import os

import pytest

from tests.end_to_end.chaos import chaos

RUNS = int(os.environ.get("BAM_TEST_CHAOS", "6"))


@pytest.mark.parametrize("storage", ["journal", "postgres"])
def test_nothing_is_lost_trained_twice_or_left_behind(storage, tmp_path, request):
    url = None if storage == "journal" else request.getfixturevalue("postgres")
    told = chaos(tmp_path, runs=RUNS, workers=4, storage=url, seed=RUNS, limit=1200)
    assert told["runs"] == RUNS
    assert told["killed"].get("run", 0) + told["killed"].get("scheduler", 0) > 0, told
