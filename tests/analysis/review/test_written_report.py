"""A study's Report says what the table says, and shows the runs that it is of."""

from __future__ import annotations

import pytest

pytest.importorskip("wandb_workspaces", reason="the optional package wandb-workspaces is not installed")

from analysis.formats.markdown import as_markdown
from analysis.report.provenance import conditions
from analysis.report.verdict import sentences
from analysis.review.written_report import report
from lightning_bam.config import BAMSpec, Run
from studies.definition.study import Study
from tests.analysis.report.made import MADE, asked, detecting, table
from tests.analysis.review.specs import CURVE, DETECTION, blocks_of, filters_of, panels_of, text_of

pytestmark = pytest.mark.usefixtures("no_server")

FIGURES = {"none": [20.0, 21.0, 22.0], "r1": [19.0, 20.5, 21.0]}


def grids(blocks):
    return [block["metadata"] for block in blocks if block["type"] == "panel-grid"]


def items(block):
    return [text_of(item) for item in block["children"]]


def test_what_it_says(tmp_path):
    study = asked(1)
    made = table(tmp_path, study, FIGURES)
    written = report(study, made, "lab", "tests", methods="## Method\n\nWe compare.\n", made=MADE)
    assert (written.entity, written.project, written.title) == ("lab", "tests", "Study made")
    assert written.description == "made: Does it help?"
    blocks = blocks_of(written)
    assert [(block["type"], text_of(block) if block["type"] == "heading" else "") for block in blocks] == [
        ("heading", "Verdict"),
        ("list", ""),
        ("heading", "Table"),
        ("markdown-block", ""),
        ("panel-grid", ""),
        ("heading", "Curves"),
        ("panel-grid", ""),
        ("heading", "What was varied and what was fixed"),
        ("list", ""),
        ("markdown-block", ""),
        ("heading", "How this was made"),
        ("paragraph", ""),
    ]
    assert items(blocks[1]) == sentences(made)
    assert blocks[3]["content"] == as_markdown(made)
    assert items(blocks[8]) == [f"{name}: {text}" for name, text in conditions(study).items()]
    assert items(blocks[8])[0] == "varied: attention: none, bam"
    assert blocks[9]["content"] == "## Method\n\nWe compare.\n"
    assert text_of(blocks[11]) == "By bam report mine.py, lightning-bam 0.1.0, 2026-11-25 12:30 UTC."


def test_what_it_shows(tmp_path):
    study = asked(1)
    analysis, rows = grids(blocks_of(report(study, table(tmp_path, study, FIGURES), "lab", "tests")))
    (run_set,) = analysis["runSets"]
    assert filters_of(run_set) == [("run:tags", "IN", ["study:made"]), ("run:jobType", "=", "analysis")]
    assert run_set["grouping"] == []
    shown = panels_of(analysis["panelBankSectionConfig"])
    assert [kind for kind, _ in shown] == ["Weave", *["Media Browser"] * 5]
    assert [config["mediaKeys"][0] for _, config in shown[1:]] == [
        "effects/picture",
        "curves/picture",
        "report",
        "methods",
        "inspect/maps",
    ]
    (run_set,) = rows["runSets"]
    assert filters_of(run_set) == [("run:tags", "IN", ["study:made"]), ("run:jobType", "!=", "analysis")]
    assert run_set["grouping"] == [{"section": "config", "name": "rows.value.made"}]
    assert "project" not in run_set, "that of the report; for another the package asks the server"
    assert panels_of(rows["panelBankSectionConfig"])[:2] == [
        ("Run History Line Plot", CURVE | {"chartTitle": "top-1 error (%), test", "metrics": ["test/error_top1"]}),
        ("Run History Line Plot", CURVE | {"chartTitle": "Training loss", "metrics": ["train/loss"]}),
    ]
    assert rows["customRunColors"] == {f"{run_set['id']}-config:rows.value.made:none": "#757575"}


def test_panels_stand_side_by_side(tmp_path):
    study = asked(1)
    for grid in grids(blocks_of(report(study, table(tmp_path, study, FIGURES), "lab", "tests"))):
        places = [tuple(panel["layout"].values()) for panel in grid["panelBankSectionConfig"]["panels"]]
        assert places == [(12 * (n % 2), 12 * (n // 2), 12, 12) for n in range(len(places))]


def test_a_study_of_detection(tmp_path):
    study = detecting()
    made = table(tmp_path, study, {"none": [40.0, 41.0, 42.0], "BAM": [41.0, 41.5, 43.0]})
    _, rows = grids(blocks_of(report(study, made, "lab", "tests")))
    assert panels_of(rows["panelBankSectionConfig"])[0] == DETECTION


def test_names_and_questions_are_no_markup(tmp_path):
    row, question = "a|b`<img src=x>` **c** [y](http://h) $z$", "Why <script>?\n\x1b[31m # no heading"
    study = Study(
        name="made",
        question=question,
        rows={"none": Run(), row: Run(attention=BAMSpec())},
        baseline="none",
        scientific=("attention",),
        seeds=2,
    )
    made = table(tmp_path, study, {"none": [20.0, 21.0], row: [19.0, 20.5]})
    written = report(study, made, "lab", "tests", made=MADE)
    assert written.description == "made: Why <script>? \\u001b[31m # no heading", "the app shows it as text"
    blocks = blocks_of(written)
    assert items(blocks[1]) == sentences(made)
    assert repr(row) in items(blocks[1])[0]
    (line,) = [line for line in blocks[3]["content"].splitlines() if line.startswith("| a")]
    assert line.startswith("| a\\|b\\`\\<img src=x>\\` \\*\\*c\\*\\* [y\\](http://h) \\$z\\$ |")
    assert "\x1b" not in str(blocks)


def test_a_long_label_fits_the_title(tmp_path):
    study = asked(1).override({"recipe.epochs": "3", "recipe.optimizer_options.weight_decay": "0.01"})
    written = report(study, table(tmp_path, study, {"none": [None] * 3, "r1": [None] * 3}), "lab", "tests")
    assert written.title == "Study made recipe.epochs 3 recipe.optimizer_options.weight_decay 0.01"
