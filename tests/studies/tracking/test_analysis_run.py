"""What W&B calls what a study's analysis run has."""

from __future__ import annotations

from dataclasses import replace

import wandb

from studies.tracking.analysis_run import Analysis, archive

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


def test_no_two_studies_share_the_versions_of_a_bundle(tmp_path):
    labels = ["a+small", "a_small", "a small", "a+recipe.lr=0.1", "a+recipe.lr=0_1", "é" * 90, "a" * 179, "a" * 180]
    names = {label: archive(wandb, replace(NOTHING, label=label), tmp_path).name for label in labels}
    assert len({*names.values()}) == len(labels)
    assert names["a_small"] == "bundle-a_small"
    assert {len(name) <= 128 for name in names.values()} == {True}
