"""Costs by hand: of a row, of a row by its baseline, on one machine and on two."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from analysis.formats.render import FORMATS, render
from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, Run, SESpec
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.study import Study
from studies.records.records import gather
from tests.analysis.synthetic import finish, interrupt

STUDY = Study(
    name="costly",
    question="What does it cost?",
    rows={"none": Run(), "BAM": Run(attention=BAMSpec()), "SE": Run(attention=SESpec())},
    baseline="none",
    scientific=("attention",),
    seeds=3,
)
CPU = {"device": "cpu", "cpu": "AVX2", "threads": 1, "world_size": 1}
SECONDS = {"none": [1.0, 1.0, 1.25], "BAM": [2.0, 2.0, 2.0], "SE": [1.25, 1.0, 1.25]}
"""Of an epoch of 1000 images: none 1000, 1000, 800 images/s; BAM 500; SE 800, 1000, 800."""


def cost(seconds, **entries):
    return {"images": 1000, "epoch_seconds": seconds, "latency": seconds / 500, "processor": "EPYC", **entries}


def write(root, study=STUDY, **manifests):
    """Write the study's complete runs; `manifests` are `row_seed` -> entries that are a run's own, None for no run."""
    for row, run in study.runs():
        made = CPU | {"cost": cost(SECONDS[row][run.seed])}
        own = manifests.get(f"{row}_{run.seed}", {})
        if own is not None:
            finish(root, run, 20 + run.seed, loss=len(row) + run.seed / 8, **made | own)
    return tabulate(gather(study, root), study)


def test_a_row_has_its_mean_and_its_ratio_to_the_baseline_seed_by_seed(tmp_path):
    """BAM by none: 0.5, 0.5, 0.625; logarithms -0.6931, -0.6931, -0.4700, mean -0.6188, sd 0.1288."""
    costs = write(tmp_path).costs
    none, bam = (costs.rows[row].spreads for row in ("none", "BAM"))
    assert none["images_per_second"].mean == pytest.approx(2800 / 3)
    assert none["images_per_second"].sd == pytest.approx(200 / math.sqrt(3))
    assert bam["images_per_second_ratio"].mean == pytest.approx((0.5 * 0.5 * 0.625) ** (1 / 3))
    assert bam["images_per_second_ratio"].sd == pytest.approx(0.5386 * 0.1288, rel=1e-3)
    assert bam["latency_ms"].mean == pytest.approx(4.0)
    assert bam["latency_ms_ratio"].mean == pytest.approx(1 / bam["images_per_second_ratio"].mean)
    assert bam["memory_mib"].n == bam["memory_mib_ratio"].n == 0
    assert none["images_per_second_ratio"].n == 0, "a baseline has none to itself"
    assert costs.rows["BAM"].device_hours == pytest.approx(30 / 3600), "three runs of ten seconds"
    assert costs.machine == (
        "cpu",
        "AVX2 instructions",
        "1 thread(s) a rank",
        "1 rank(s) a run",
        "torch 2.11.0",
        "EPYC",
    )


def test_only_runs_on_one_machine_are_held_against_each_other(tmp_path):
    """Seed 0 of BAM ran elsewhere: no pair. Seed 1 of both did: a pair, but no part of the means."""
    there = {
        "device": "NVIDIA H200",
        "cost": {"images": 1000, "epoch_seconds": 0.1, "latency": 0.1, "memory": 3 * 2**20},
    }
    half = {
        "device": "NVIDIA H200",
        "cost": {"images": 1000, "epoch_seconds": 0.2, "latency": 0.1, "memory": 6 * 2**20},
    }
    table = write(tmp_path, BAM_0=there, BAM_1=half, none_1=there)
    bam = table.costs.rows["BAM"]
    assert (bam.elsewhere, table.costs.rows["none"].elsewhere) == ((0, 1), (1,))
    assert bam.spreads["images_per_second"].mean == 500
    assert bam.spreads["images_per_second"].n == 1
    ratio = bam.spreads["images_per_second_ratio"]
    assert (ratio.n, ratio.mean) == (2, pytest.approx(math.sqrt(0.5 * 0.625)))
    assert (bam.spreads["memory_mib"].n, bam.spreads["memory_mib_ratio"].mean) == (0, pytest.approx(2.0))
    assert table.costs.notes[3:5] == [
        "Cost of 'none' leaves out seed 1: trained on another machine.",
        "Cost of 'BAM' leaves out seeds 0, 1: trained on another machine.",
    ]
    shown = render(replace(table, shows_costs=True), "text")
    assert "500 (1 of 3)" in shown
    assert "0.56 ± 0.09 (2 of 3)" in shown


def test_a_run_without_a_measure_and_one_that_went_on_elsewhere(tmp_path):
    """Seed 2 of SE is of an older version; seed 1 ended with two threads, on which it was measured."""
    moved = {"attempts": [CPU, CPU | {"threads": 2, "from_epoch": 1}]}
    table = write(tmp_path, SE_2={"cost": {}}, SE_1=moved)
    assert (table.costs.rows["SE"].unmeasured, table.costs.rows["SE"].elsewhere) == ((2,), (1,))
    assert table.costs.rows["SE"].spreads["images_per_second_ratio"].n == 1
    assert "Cost of 'SE' leaves out seed 2: not recorded." in table.costs.notes


def test_a_folder_of_an_older_version_has_no_cost_and_says_so(tmp_path):
    old = {"cost": {}, "device": "cpu"}
    table = write(tmp_path, **{f"{row}_{seed}": old for row in STUDY.rows for seed in range(3)})
    assert not table.costs.measured
    assert table.costs.notes[0] == "No complete run has its cost recorded: versions before this did not."
    assert "images/s" not in render(replace(table, shows_costs=True), "text").split("Error:")[0]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_costs_where_they_are_asked_for(tmp_path, form):
    table = write(tmp_path)
    shown, plain = render(replace(table, shows_costs=True), form), render(table, form)
    if form in ("csv", "json"):
        assert shown == plain, "they always have them"
        return
    assert "images/s" not in plain
    for text in ("images/s", "0.54", "0.07", "4.00", "933"):
        assert text in shown
    assert "memory" not in shown.split("Cost: ")[0].lower(), "no run has any"


def test_programs_get_costs_by_name(tmp_path):
    table = write(tmp_path)
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO(render(table, "csv")))}
    assert float(lines["BAM"]["images_per_second"]) == 500
    assert [(lines[row]["measured_n"], lines[row]["measured_pairs"]) for row in ("none", "BAM")] == [
        ("3", "0"),
        ("3", "3"),
    ]
    assert float(lines["SE"]["images_per_second_ratio"]) == pytest.approx(0.8 ** (1 / 3))
    data = json.loads(render(table, "json"))
    (bam,) = (row["cost"] for row in data["rows"] if row["label"] == "BAM")
    assert (bam["latency_ms"], bam["memory_mib"], bam["measured_n"]) == (pytest.approx(4.0), None, 3)
    assert data["costs"]["spent"]["complete"] == pytest.approx(90 / 3600)


def test_a_study_without_any_run_has_a_table_of_costs(tmp_path):
    table = tabulate(gather(STUDY, tmp_path), STUDY)
    shown = replace(table, shows_costs=True)
    assert all("device-hours" in render(shown, form, notes="none") for form in ("text", "md", "tex"))
    assert table.costs.notes[-1] == "The study took 0 device-hours: 0 in epochs of complete runs."


def test_the_runs_of_a_search_are_found_by_the_name_of_the_study(tmp_path):
    """Two trials of search+mine, one shared with another search, and one of another search; 10 s each, one failed."""
    study = replace(STUDY, name="confirm-mine")
    write(tmp_path, study)
    held_out = [replace(STUDY.rows["BAM"], seed=seed, score_on="held_out") for seed in range(4)]
    for run, labels in zip(held_out, (["mine"], ["mine", "bam"], ["bam"]), strict=False):
        finish(tmp_path, run, 30.0, studies={f"search+{label}": {"row": "x"} for label in labels})
    interrupt(tmp_path, held_out[3], "failed")
    times = {"started": "2026-01-02T03:00:00+00:00", "ended": "2026-01-02T03:10:00+00:00", "world_size": 2}
    RunFolder.of(tmp_path, held_out[3]).note(studies={"search+mine": {"row": "x"}}, attempts=[times])
    spent = tabulate(gather(study, tmp_path), study).costs.spent
    assert spent.search_runs == 3
    assert spent.search == pytest.approx(20 / 3600 + 20 / 60)
    assert tabulate(gather(STUDY, tmp_path), STUDY).costs.spent.search_runs == 0
