"""Runs that learned next to nothing are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.checks.collapsed import collapsed
from analysis.table.build import tabulate
from lightning_bam.config import CIFAR100, ClutteredDigits, ImageFolder, Run
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, finish


@pytest.mark.parametrize(
    ("dataset", "error", "said"),
    [
        (ClutteredDigits(), 89.7, "(error 89.7 %, chance 90.0 %)"),
        (ClutteredDigits(), 81.0, "(error 81.0 %, chance 90.0 %)"),
        (ClutteredDigits(), 80.9, None),
        (CIFAR100(), 98.0, "(error 98.0 %, chance 99.0 %)"),
        (CIFAR100(), 97.9, None),
        (ImageFolder(name="elsewhere"), 97.9, None),
    ],
)
def test_an_error_near_chance(tmp_path, dataset, error, said):
    study = replace(STUDY, rows={row: replace(run, dataset=dataset) for row, run in STUDY.rows.items()}, published={})
    for row, run in study.runs():
        if row in ("none", "BAM"):
            finish(tmp_path, run, error if (row, run.seed) == ("BAM", 3) else 20.0 + run.seed + len(row) / 8)
    table = tabulate(gather(study, tmp_path), study)
    expected = (
        (
            f"Row 'BAM' collapsed at seed 3 {said}: one such run moves mean and sd so far that interval and p do not "
            "hold.",
        )
        if said
        else ()
    )
    assert table.rows[1].notes == expected
    assert [note for note in table.notes if "collapsed" in note] == list(expected)


def test_several_runs_of_a_row(tmp_path):
    for seed in (1, 2):
        finish(tmp_path, replace(STUDY.rows["BAM"], seed=seed), 89.0 + seed / 2)
    cells = {"BAM": {record.run.seed: record for record in gather(STUDY, tmp_path) if record.result}}
    assert collapsed(cells) == {
        "BAM": "Row 'BAM' collapsed at seeds 1, 2 (error 89.5, 90.0 %, chance 90.0 %): such runs move mean and sd so "
        "far that interval and p do not hold."
    }
    assert Run().dataset.classes == 10
