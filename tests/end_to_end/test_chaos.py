"""Random processes are killed while a study is trained; `python -m tests.end_to_end.chaos` does the same at length."""

from __future__ import annotations

import os

import pytest

from tests.end_to_end.chaos import chaos, in_quiet

RUNS = int(os.environ.get("BAM_TEST_CHAOS", "4"))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return in_quiet(tmp_path_factory.mktemp("quiet"), RUNS)


@pytest.mark.parametrize("storage", ["journal", "postgres"])
def test_nothing_is_lost_trained_twice_or_left_behind(storage, quiet, tmp_path, request):
    url = None if storage == "journal" else request.getfixturevalue("postgres")
    told = chaos(tmp_path, quiet, runs=RUNS, workers=3, storage=url, seed=RUNS, limit=1200)
    assert told["runs"] == RUNS
    assert told["killed"].get("run", 0) + told["killed"].get("scheduler", 0) > 0, told
