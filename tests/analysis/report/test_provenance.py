"""Where figures come from, and the runs behind a row."""

from __future__ import annotations

import re

import pytest

from analysis.environment import device_seconds
from analysis.provenance.explanation import explain
from analysis.report.provenance import clock, conditions, hours_text, provenance, run_columns
from analysis.table.build import tabulate
from lightning_bam.run_folder.folder import RunFolder
from studies.records.records import gather
from tests.analysis.report.made import ATTEMPT, asked, fill, panelled, written
from tests.analysis.synthetic import interrupt

NONE = [20.0, 21.0, 22.0]


@pytest.fixture
def study(tmp_path):
    study = asked(1)
    fill(tmp_path, study, {"none": NONE, "r1": [18.0, 19.0, None]})
    cells = {(row, run.seed): run for row, run in study.runs()}
    later = ATTEMPT | {"attempt": 2, "started": "2026-11-21T10:00:00+01:00", "commit": "91bc002aaaa1"}
    RunFolder.of(tmp_path, cells["r1", 0]).note(attempts=[ATTEMPT, later])
    interrupt(tmp_path, cells["r1", 2], "failed")
    RunFolder.of(tmp_path, cells["r1", 2]).note(
        error="loss is <nan>", cause="nan", rank=1, traceback="Traceback:\nTrainingError: <nan>", attempts=[ATTEMPT]
    )
    return study


def test_values_are_counted_where_runs_differ(study, tmp_path):
    assert provenance(gather(study, tmp_path)) == {
        "commit": "8a41fd485ade (4 runs); 8a41fd485ade, then 91bc002aaaa1 (1 run)",
        "lightning-bam": "0.1.0",
        "torch": "2.14.1",
        "Python": "3.11.7",
        "device": "NVIDIA H100 80GB HBM3",
        "CPU instructions": "AVX512",
        "host": "node<7>",
        "ranks a run": "2",
        "threads a rank": "1",
        "device-hours": "0.028",
        "interrupted": "1 of 5 runs went on from a checkpoint",
        "first run started": "2026-11-20 10:31 UTC",
        "last run ended": "2026-11-20 11:31 UTC",
    }


def test_what_nobody_recorded_is_said_to_be_unknown(study, tmp_path):
    first = next(record for record in gather(study, tmp_path) if record.result)
    first.folder.note(world_size=None, attempts=[ATTEMPT | {"commit": None, "world_size": None}])
    told = provenance(gather(study, tmp_path))
    assert told["device-hours"] == "0.022 (4 of 5 runs)"
    assert told["commit"].endswith("; not recorded (1 run)")
    assert provenance(gather(asked(2), tmp_path / "elsewhere")) == {}


def test_hours_are_those_of_all_ranks(study, tmp_path):
    assert [device_seconds(record) for record in gather(study, tmp_path)[:1]] == [10 * 2]
    assert [hours_text(hours) for hours in (0.00123, 0.5, 9.94, 12.3, 1234.5)] == [
        "0.0012",
        "0.5",
        "9.9",
        "12",
        "1,234",
    ]


def test_times_are_in_utc():
    assert clock("2026-11-21T10:00:00+01:00") == "2026-11-21 09:00 UTC"
    assert clock("") == ""


def test_conditions_name_what_varies_before_what_is_fixed():
    told = conditions(panelled(2))
    assert told["varied: attention"] == "none, bam"
    assert told["varied: attention.reduction"] == "1, 2"
    assert told["panels: backbone.width"] == "8, 16, 24"
    assert told["by chance: seed"].startswith("0, 1, 2 (")
    assert told["fixed: dataset"].startswith("digits")
    assert told["fixed: attention"].startswith("dilation 4, combine sum, branches both")
    assert list(told).index("by chance: seed") < list(told).index("fixed: dataset")


def columns(study, root, row):
    records = gather(study, root)
    rows = {one.label: one for one in tabulate(records, study).rows}
    found = run_columns(explain(study, records, row), rows[row], rows["none"])
    return {column.heading: column.cells for column in found}


def test_each_run_of_a_row_is_listed(study, tmp_path):
    told = columns(study, tmp_path, "r1")
    keys = [run.key for row, run in study.runs() if row == "r1"]
    assert told == {
        "seed": ["0", "1", "2"],
        "figure (%)": ["18.00", "19.00", "—"],
        "Δ at this seed": ["−2.00", "−2.00", ""],
        "state": ["complete", "complete", "failed"],
        "folder, named by the key": [str(tmp_path / key) for key in keys],
        "attempts": ["2", "1", "1"],
        "commit": ["91bc002aaaa1", "8a41fd485ade", "8a41fd485ade"],
        "device": ["NVIDIA H100 80GB HBM3 x 2"] * 3,
        "last started": ["2026-11-21 09:00 UTC", "2026-11-20 10:31 UTC", "2026-11-20 10:31 UTC"],
    }


def test_a_baseline_has_no_difference_and_what_no_run_has_is_left_out(study, tmp_path):
    assert "Δ at this seed" not in columns(study, tmp_path, "none")
    assert list(columns(study, tmp_path / "elsewhere", "none")) == [
        "seed",
        "figure (%)",
        "state",
        "folder, named by the key",
    ]


def test_a_failed_run_tells_why(study, tmp_path):
    written(tmp_path / "page.html", tmp_path, study)
    html = (tmp_path / "page.html").read_text()
    text = re.sub(r"<[^>]*>", "", html)
    assert "Seed 2 failed: nan: loss is &lt;nan&gt; (rank 1)\n" in text
    assert "TrainingError: &lt;nan&gt;" in text
    assert "Here attention bam (reduction 3," in text
    assert "r1: 2 of 3 runs complete, 18.50 ± 0.71" in text
    assert 'id="study-1-row-1"' in html
    assert 'href="#study-1-table"' in html
