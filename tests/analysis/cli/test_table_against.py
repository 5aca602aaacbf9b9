"""`bam table --against ROW`: another row as the baseline, adjusted for all pairs of rows."""

from __future__ import annotations

import csv
import io
import json

import pytest
from scipy import stats

from analysis.cli import main
from studies.library import find_study
from studies.stopping_rules.declaration import declare
from tests.analysis.synthetic import finish

ERRORS = {
    "none": [25.0, 26.0, 27.0, 28.0],
    "r=4": [24.0, 25.1, 26.0, 27.1],
    "r=8": [24.5, 25.4, 26.5, 27.4],
    "r=16": [23.0, 24.1, 25.0, 26.1],
    "r=32": [25.0, 25.5, 27.5, 28.0],
}
NOTE = (
    "Compared with 'r=4', not with the declared baseline 'none': a row named after a look may be any row, so "
    "intervals and p are adjusted for all 10 pairs of rows."
)


@pytest.fixture
def made(tmp_path):
    for row, run in find_study("reduction").with_seeds(4).runs():
        finish(tmp_path, run, ERRORS[row][run.seed], loss=2 + run.seed + len(ERRORS[row]) * ERRORS[row][0] / 64)
    return ["table", "reduction", "--seeds", "4", "--root", str(tmp_path)]


def test_every_row_is_compared_with_it(made, capsys):
    assert main([*made, "--against", "r=4", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["baseline"], told["declared_baseline"], told["comparisons"]) == ("r=4", "none", 10)
    assert NOTE in told["notes"]
    assert not any("of the study's" in note for note in told["notes"])
    rows = {row["label"]: row for row in told["rows"]}
    assert list(rows) == list(ERRORS)
    assert {row["baseline"] for row in rows.values()} == {"r=4"}
    assert rows["r=4"]["verdict"] == "baseline"
    for row in ("none", "r=8", "r=32"):
        expected = stats.ttest_rel(ERRORS[row], ERRORS["r=4"])
        assert rows[row]["delta"]["mean"] == pytest.approx(sum(ERRORS[row]) / 4 - sum(ERRORS["r=4"]) / 4)
        assert rows[row]["delta"]["p"] == pytest.approx(expected.pvalue)
    # none is 1, 0.9, 1, 0.9 above, by the least p of all: 10 times that
    assert rows["none"]["p_adjusted"] == pytest.approx(10 * stats.ttest_1samp([1, 0.9, 1, 0.9], 0).pvalue)
    assert rows["none"]["verdict"] == "worse"


def test_it_is_told_in_every_format(made, capsys):
    for form in ("text", "md", "tex", "html"):
        assert main([*made, "--against", "r=4", "--format", form]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "not with the declared baseline" in out
        assert "all 10 pairs of rows" in out
    assert main([*made, "--against", "r=4", "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(line["baseline"], line["comparisons"]) for line in lines} == {("r=4", "10")}


def test_the_declared_baseline_is_the_usual_table(made, capsys):
    assert main([*made, "--against", "none", "--format", "json"]) == 0
    same = capsys.readouterr().out
    assert main([*made, "--format", "json"]) == 0
    assert capsys.readouterr().out == same
    assert "declared_baseline" not in json.loads(same)


def test_a_table_on_file_is_verified_as_it_was_asked(made, tmp_path, capsys):
    file = tmp_path.with_suffix(".json")
    assert main([*made, "--against", "r=4", "--output", str(file)]) == 0
    main(["verify", *made[1:], "--table", str(file)])
    assert "column" not in capsys.readouterr().out
    file.write_text(file.read_text().replace('"worse"', '"better"'))
    main(["verify", *made[1:], "--table", str(file)])
    assert 'column verdict: the file says "better", the runs give "worse"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", "r=5"], "bam: --against r=5: reduction: no such row in the table; did you mean 'r=8'?"),
        (["--against", "r=4", "--runs"], "bam: --against r=4: --runs compares nothing; leave one of them out"),
    ],
)
def test_it_refuses(made, capsys, words, message):
    assert main([*made, *words]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_a_study_under_a_rule_is_refused(tmp_path, capsys):
    from studies.definition.stopping import Stopping

    declare(find_study("reduction").stopping_by(Stopping(looks=(2, 4))), tmp_path, [])
    assert main(["table", "reduction", "--root", str(tmp_path), "--against", "r=4"]) == 2
    assert capsys.readouterr().err == (
        "bam: --against r=4: reduction follows a stopping rule, whose limits hold for the comparisons it was declared "
        "for; ask with fresh seeds in a study of its own\n"
    )
