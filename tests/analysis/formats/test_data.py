"""What a program needs to compute a line of the CSV anew, or to hold it against its limits, is in that line."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from scipy import stats

from analysis.formats.data import as_csv
from analysis.formats.render import render
from analysis.table.build import tabulate
from analysis.verification.tables import compare, read_tables
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.synthetic import ERRORS, STUDY, write

NEAR = [22.01, 20.99, 23.01, 22.49]
"""Differences 0.01, -0.01, 0.01, -0.01: mean 0, sd 0.02 / √3."""


def tabulated(root, study, errors):
    write(root, study, errors)
    return tabulate(gather(study, root), study)


def lines(*tables):
    return {(line["study"], line["row"]): line for line in csv.DictReader(io.StringIO(as_csv(*tables)))}


def test_a_line_says_on_how_many_pairs_its_difference_rests(tmp_path):
    """Seeds 0 and 1 are the only pairs: differences -2 and -1.9, mean -1.95, sd 0.1 / √2.

    t(0.995, 1) = 63.6567, for each of 5 rows 0.05 / 5, and for one by itself t(0.975, 1) = 12.7062.
    """
    table = tabulated(tmp_path, replace(STUDY, margin=0.3), ERRORS | {"none": [22.0, 21.0, None, None]})
    line = lines(table)["combine", "BAM"]
    assert (line["n"], line["delta_n"], line["comparisons"], line["margin"]) == ("4", "2", "5", "0.3")
    assert float(line["delta"]) == pytest.approx(-1.95)
    assert float(line["delta_sd"]) == pytest.approx(0.1 / math.sqrt(2))
    assert line["delta_interval"] == "simultaneous"
    assert float(line["delta_high"]) == pytest.approx(-1.95 + 63.6567 * 0.05, abs=1e-4)
    assert float(line["t_high"]) == pytest.approx(-1.95 + 12.7062 * 0.05, abs=1e-4)
    assert line["notes"] == "Δ of 'BAM' leaves out seeds 2, 3, which the baseline lacks."
    assert line["notes"] in table.notes
    data = json.loads(render(table, "json"))
    row = next(row for row in data["rows"] if row["label"] == "BAM")
    assert (data["comparisons"], row["notes"], row["delta_interval"]) == (5, [line["notes"]], "simultaneous")


def test_a_row_without_pairs_has_none_and_a_baseline_no_number(tmp_path):
    found = lines(tabulated(tmp_path, STUDY, ERRORS | {"none": [None, 21.0, None, None]}))
    assert [found["combine", row]["delta_n"] for row in ("none", "BAM", "SE_r8 <light>")] == ["", "1", "0"]
    assert [found["combine", row]["delta_interval"] for row in ("none", "BAM", "SE_r8 <light>")] == ["", "", ""]


def test_under_a_rule_a_line_has_both_p_with_their_limits_and_the_repeated_interval(tmp_path):
    """t of NEAR against ±0.3 is 0.3 / (0.02 / √3 / 2) = 51.96 with 3 degrees of freedom: p = 7.9e-6."""
    study = replace(STUDY, margin=0.3).stopping_by(Stopping(looks=(4, 8)))
    missing = [None] * 4
    table = tabulated(tmp_path, study, {row: [*ERRORS[row], *missing] for row in ERRORS} | {"BAM": NEAR + missing})
    line = lines(table)["combine", "BAM"]
    assert line["verdict"] == "equivalent within ±0.3"
    assert (line["delta_n"], line["look"], line["margin"], line["p_holm"]) == ("4", "1", "0.3", "")
    assert float(line["p_tost"]) == pytest.approx(float(stats.t.sf(51.9615, 3)), rel=1e-4)
    assert float(line["p_tost"]) < float(line["tost_limit"]) < 0.005
    assert line["delta_interval"] == "repeated"
    half = stats.t.isf(float(line["limit"]) / 2, 3) * float(line["delta_sd"]) / 2
    assert float(line["delta_high"]) == pytest.approx(float(line["delta"]) + half)
    assert lines(table)["combine", "SE_r8 <light>"]["p_tost"] == ""


def test_a_table_with_a_rule_and_one_without_share_their_columns(tmp_path):
    write(tmp_path, STUDY, ERRORS)
    ruled = replace(STUDY, name="ruled").stopping_by(Stopping(looks=(2, 4)))
    found = lines(*(tabulate(gather(study, tmp_path), study) for study in (STUDY, ruled)))
    before, after = found["combine", "BAM"], found["ruled", "BAM"]
    assert (before["look"], before["tost_limit"], before["delta_interval"]) == ("", "", "simultaneous")
    assert (after["look"], after["tost_limit"], after["delta_interval"]) == ("2", "", "repeated")
    assert before["margin"] == after["margin"] == ""


@pytest.mark.parametrize("rule", [None, Stopping(looks=(2, 4))])
def test_json_with_a_margin_reads_back(tmp_path, rule):
    study = replace(STUDY, margin=0.3)
    table = tabulated(tmp_path, study.stopping_by(rule) if rule else study, ERRORS)
    path = tmp_path / "table.json"
    path.write_text(render(table, "json"))
    assert [compare(theirs, table, path) for theirs in read_tables(path)] == [[]]
