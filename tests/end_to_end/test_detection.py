"""The last table of the paper at a scale that a test can train: from the catalogue to the table, on embedded scenes."""

from __future__ import annotations

import json

from analysis.cli import main

SETTINGS = {
    "dataset": "digit_scenes",
    "dataset.height": 260,
    "dataset.width": 300,
    "dataset.train": 8,
    "dataset.test": 5,
    "backbone.width": 0.0625,
    "recipe.epochs": 2,
    "recipe.batch_size": 4,
}


def test_paper_4b_from_embedded_scenes_to_its_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "runs"))
    words = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    assert main(["run", "paper-4b", "--seeds", "1", "--devices", "cpu:1", "--wandb", "off", *words]) == 0
    capsys.readouterr()
    assert main(["table", "paper-4b", "--seeds", "1", "--format", "json", *words]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["label"], row["n"]) for row in rows] == [
        ("SSD VGG16", 1),
        ("StairNet VGG16", 1),
        ("StairNet VGG16 + BAM", 1),
        ("SSD MobileNet", 1),
    ]
    assert all(0 <= row["mean"] <= 100 for row in rows)
    params = [row["params"] for row in rows]
    # each of six modules, of 256 channels: 3cm + 18m² + c + 13m + 1 for m = 16, and 4c norms on its maps
    assert params[2] - params[1] == 6 * (12_288 + 4_608 + 256 + 208 + 1 + 1_024)
