"""Reading what is there: as fast as the files allow, and no less careful for it."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from lightning_bam.run_folder.files import FolderError
from studies.records.records import read
from tests.benchmarks.scale import fill, plain_loop, study_of


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    study = study_of(root / "scale.py", 1000)
    fill(study, root / "runs")
    return study, root / "runs"


def test_a_thousand_runs_are_read_about_as_fast_as_their_files(filled):
    study, root = filled
    cells = study.runs()
    records = read(cells, root)
    assert Counter(r.state for r in records) == {"complete": 700, "failed": 100, "interrupted": 100, "missing": 100}
    assert [r.epochs for r in records[:10]] == [2] * 7 + [1, 1, 0]
    assert records[7].manifest.error == "boom"
    ratios = []
    for _ in range(3):
        started = time.perf_counter()
        read(cells, root)
        ratios.append((time.perf_counter() - started) / plain_loop(root))
    assert min(ratios) < 3, "measured: 1.5 to 2"


def test_an_older_description_is_read_closely_and_an_edited_one_refused(filled):
    study, root = filled
    cell = study.runs()[0]
    path = root / cell.run.key / "run.json"
    whole = path.read_text()
    data = json.loads(whole)
    try:
        del data["run"]["recipe"]["sync_batchnorm"]
        path.write_text(json.dumps(data))
        assert read([cell], root)[0].state == "complete"
        data["run"]["recipe"]["lr"] = 0.25
        path.write_text(json.dumps(data))
        with pytest.raises(FolderError, match=f"says key '{cell.run.key}' but describes run"):
            read([cell], root)
    finally:
        path.write_text(whole)
