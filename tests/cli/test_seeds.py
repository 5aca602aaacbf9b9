"""`bam seeds` on made-up runs."""

from __future__ import annotations

import json

import pytest

from analysis.cli import main
from tests.analysis.synthetic import golden_table

STUDY = """
from tests.analysis.synthetic import STUDY
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    golden_table(tmp_path / "runs")
    (tmp_path / "combine.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def test_which_rows_are_open_and_what_closing_them_costs(made, capsys):
    assert main(["seeds", "combine.py", "--margin", "1", "--budget", "12h"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[1] == "row n Δ to resolve it to call it none device-hours in budget"
    assert lines[2] == "BAM 4 −2.03 better"
    assert lines[3].startswith("BAM product 4 −0.42 17 more seeds ")
    assert lines[4].startswith("BAM max 3 −0.08 >1000 seeds ")
    assert lines[5] == "SE_r8 <light> 1 +1.75 not resolved"
    assert lines[6] == "BAM r=1 4 0.00 changes nothing"
    assert lines[-1].endswith("`bam run combine.py --margin 1 --until-resolved --first-seed 4`")


def test_json_holds_the_same(made, capsys):
    assert main(["seeds", "combine.py", "--json", "--budget", "1m"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["budget_hours"] == pytest.approx(1 / 60)
    assert [(need["row"], need["to_differ"], need["to_equal"]) for need in told["open"]] == [
        ("BAM product", 17, None),
        ("BAM max", None, None),
    ]
    assert [need["affordable"] for need in told["open"]] == [False, False]
    assert told["verdicts"]["BAM"] == "better"
