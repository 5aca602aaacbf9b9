"""The paper's tables from the command line: at once, before any training."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from analysis.cli import main
from studies.library import catalogue
from studies.records.counts import Counts, keep_counts, key_of, network


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A cache that knows every network of the catalogue: made-up counts, so that nothing is counted here."""
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "runs"))
    for study in catalogue().values():
        for run in study.rows.values():
            keep_counts(key_of(network(run)), Counts(1_234_567, 2_345_678_901))


def test_a_paper_table_before_any_training(known, capsys):
    assert main(["table", "paper-3a"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Size of the networks" in out
    assert "Top-1 error" in out
    assert out.count("not run") == 16
    assert max(map(len, out.splitlines())) <= 100
    assert "ResNet50: params published 23.71 M, counted 1.234567 M; MACs published 1.22 G" in " ".join(out.split())


def test_only_leaves_the_panels_that_are_asked_for(known, capsys):
    assert main(["table", "paper-3a", "--only", "backbone=resnet101", "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in table["rows"]] == ["ResNet101", "ResNet101 + BAM"]
    assert table["baseline"] == "ResNet101"
    assert table["rows"][1]["printed_params"] == {"printed": "43.06", "counted": "1.234567", "equal": False}
    assert table["notes"][1] == "1 of the study's 8 comparisons is shown; p is adjusted for all."


def test_every_table_from_a_warm_cache(known, capsys):
    begun = time.perf_counter()
    assert main(["table", "--all", "--format", "csv"]) == 0
    assert time.perf_counter() - begun < 20
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(line["study"], line["row"]) for line in lines] == [
        (study.name, row) for study in catalogue().values() for row in study.rows
    ]
    by_row = {(line["study"], line["row"]): line for line in lines}
    top = by_row["paper-3b", "ResNet18 + BAM"]
    assert (top["published"], top["published_error_top5"], top["published_params_m"]) == ("28.88", "10.01", "11.71")
    assert (top["params_equal"], top["compatible_error_top5"]) == ("False", "not run")
    assert by_row["paper-4a", "BAM"]["published"] == "30.4"
    assert by_row["quickstart", "none"]["published_params_m"] == ""


@pytest.mark.parametrize("argv", [["table"], ["table", "quickstart", "--all"]])
def test_some_studies_or_all_of_them(argv, capsys):
    assert main(argv) == 2
    expected = "bam: table: name the studies, or say --all for every one of the catalogue\n"
    assert capsys.readouterr() == ("", expected)


def test_plan_counts_from_the_cache(known, capsys):
    assert main(["plan", "paper-1c", "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert {row["params"] for row in plan["rows"]} == {1_234_567}
    assert plan["runs"] == 45
