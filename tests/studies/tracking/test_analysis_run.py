"""What an analysis run adds to the runs of a study."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import wandb

from studies.tracking.analysis_run import Analysis, archive, one_at_a_time, tag
from studies.tracking.session import finish_run, open_run

KEYS = [f"{number:016x}" for number in range(2)]
NOTHING = Analysis(
    label="",
    notes="",
    presets=(),
    config={},
    summary={},
    columns=(),
    lines=(),
    effects=(),
    difference="",
    pictures={},
    pages={},
    bundle=b"packed",
    runs={},
)


@pytest.fixture
def project(wandb_server, tmp_path):
    """A project of two runs."""
    for key in KEYS:
        run, where = open_run(
            tmp_path, "online", {"project": "p", "id": key, "tags": ["mine"], "config": {"a": {"b": 1}}}
        )
        assert finish_run(run, where)
    yield wandb_server
    assert wandb_server.unknown == []


def test_two_studies_that_tag_shared_runs_at_once_lose_no_tag(project, tmp_path):
    project.slow(0.3, only="UpsertBucket")

    def tell(label, row):
        with one_at_a_time(tmp_path):
            tag("lab/p", SimpleNamespace(label=label, runs=dict.fromkeys(KEYS, row)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tell, ("one", "two+recipe.lr=0.1"), ("sum", "both")))
    for key in KEYS:
        run = project.runs[f"lab/p/{key}"]
        assert sorted(run.tags) == ["mine", "study:one", "study:two+recipe.lr=0.1"]
        assert run.config == {"a": {"b": 1}, "rows": {"one": "sum", "two_recipe_lr_0_1_a7fbce67": "both"}}


def test_no_two_studies_share_the_versions_of_a_bundle(tmp_path):
    labels = ["a+small", "a_small", "a small", "a+recipe.lr=0.1", "a+recipe.lr=0_1", "é" * 90, "a" * 179, "a" * 180]
    names = {label: archive(wandb, replace(NOTHING, label=label), tmp_path).name for label in labels}
    assert len({*names.values()}) == len(labels)
    assert names["a_small"] == "bundle-a_small"
    assert {len(name) <= 128 for name in names.values()} == {True}
