"""Panels: one study, several baselines, each row compared with the one of its own network and data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightning_bam.config import AfterStages, BAMSpec, ClutteredDigits, SESpec, SmallResNet
from studies import StudyError
from studies.definition.panels import Panel
from studies.engine.study_trials import StudyTrials
from studies.records.records import gather
from tests.studies.conftest import BASE, tiny

DEEP = replace(BASE, backbone=SmallResNet(depth=14, width=4))
OTHER = replace(DEEP, dataset=ClutteredDigits(size=29))
BAM = BAMSpec(reduction=4, dilation=1)
ROWS = {
    "net8": BASE,
    "net8 + BAM": replace(BASE, attention=BAM),
    "net14 + BAM": replace(DEEP, attention=BAM),
    "net14 + SE": replace(DEEP, attention=SESpec(reduction=4)),
    "net14": DEEP,
}


def panelled(**changes):
    fields = {"rows": ROWS, "baseline": ("net8", "net14"), "within": ("backbone",), "seeds": 3}
    return tiny(**fields | changes)


def test_a_row_is_compared_with_the_baseline_of_its_own_network():
    study = panelled()
    assert study.panels == (
        Panel("net8", ("net8", "net8 + BAM")),
        Panel("net14", ("net14 + BAM", "net14 + SE", "net14")),
    )
    assert study.baselines == ("net8", "net14")
    assert study.comparisons == 3
    assert len(study.runs()) == 15
    assert "backbone.depth" not in study.fixed()
    assert study.fixed()["backbone.width"] == "4"


def test_panels_by_network_and_data():
    rows = {**ROWS, "far": OTHER, "far + BAM": replace(OTHER, attention=BAM)}
    study = panelled(rows=rows, baseline=("net8", "net14", "far"), within=("backbone", "dataset"))
    assert [panel.baseline for panel in study.panels] == ["net8", "net14", "far"]
    assert study.comparisons == 4


def test_a_knob_of_the_module_may_differ_between_panels_alone():
    rows = {
        **ROWS,
        "net8 + BAM": replace(BASE, attention=BAM, placement=AfterStages(stages=(1,))),
        "net14 + BAM": replace(DEEP, attention=BAM, placement=AfterStages(stages=(2,))),
        "net14 + SE": replace(DEEP, attention=SESpec(reduction=4), placement=AfterStages(stages=(2,))),
    }
    study = panelled(rows=rows, scientific=("attention", "placement.stages"))
    assert study.comparisons == 3
    assert study.only({"attention": ["bam"]}).scientific == ("attention", "placement.stages")
    assert study.only({"row": ["net14 + bam"]}).scientific == ("attention",)


def test_without_panels_there_is_one():
    assert tiny().panels == (Panel("none", ("none", "BAM")),)
    assert tiny().baselines == ("none",)
    assert tiny(baseline=("none",)).panels == tiny().panels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"baseline": "net8"},
            "tiny: no baseline for 'net14 + BAM', 'net14 + SE', 'net14': name the row of equal backbone in `baseline`",
        ),
        (
            {"baseline": ("net8", "net14", "net14 + SE")},
            "tiny: baselines 'net14 + SE' and 'net14' are rows of equal backbone: name one of them",
        ),
        ({"baseline": ("net8", "net15")}, "tiny: baseline 'net15' is no row; did you mean 'net14'?"),
        ({"within": "backbone"}, "tiny: within='backbone': give a tuple of names, as ('attention',)"),
        (
            {"within": ("bakbone",)},
            "tiny: within 'bakbone': no slot that panels may differ in; did you mean 'backbone'?",
        ),
        (
            {"within": ("attention",)},
            "tiny: within 'attention': no slot that panels may differ in; known: backbone, dataset, placement, recipe, "
            "task",
        ),
        (
            {"within": (), "baseline": "net8"},
            "tiny: rows 'net8' and 'net14 + BAM' differ in backbone.depth (8 and 14), which is not under question; "
            "make them equal or name it in `scientific`",
        ),
        (
            {"rows": {**ROWS, "net14": replace(DEEP, recipe=replace(DEEP.recipe, lr=0.2))}},
            "tiny: rows 'net8' and 'net14' differ in recipe.lr (0.1 and 0.2), which is not under question; "
            "make them equal or name it in `scientific`",
        ),
        (  # every row of a panel alike, as only the panels differ
            {
                "rows": {
                    row: replace(run, recipe=replace(run.recipe, lr=0.05 if run.backbone.depth == 14 else 0.1))
                    for row, run in ROWS.items()
                }
            },
            "tiny: rows 'net8' and 'net14 + BAM' differ in recipe.lr (0.1 and 0.05), which is not under question; "
            "make them equal or name it in `scientific`",
        ),
        (
            {"rows": {**ROWS, "net14 + BAM": replace(DEEP, attention=BAMSpec(reduction=2, dilation=1))}},
            "tiny: rows 'net8 + BAM' and 'net14 + BAM' differ in attention.reduction (4 and 2), which is not under "
            "question; make them equal or name it in `scientific`",
        ),
        (
            {
                "rows": {
                    row: replace(run, recipe=replace(run.recipe, lr=0.05 if run.backbone.depth == 14 else 0.1))
                    for row, run in ROWS.items()
                },
                "within": ("backbone", "recipe"),
                "scientific": ("attention", "recipe.lr"),
            },
            "tiny: no two rows of a panel differ in recipe.lr, named in `scientific`",
        ),
        ({"metric": "error_top2"}, "tiny: metric 'error_top2': no such metric; did you mean 'error_top5'?"),
    ],
)
def test_panels_that_cannot_be_compared_are_refused(changes, message):
    with pytest.raises(StudyError) as error:
        panelled(**changes)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("selectors", "rows", "baseline"),
    [
        ({"backbone.depth": ["14"]}, ["net14 + BAM", "net14 + SE", "net14"], ("net14",)),
        ({"attention": ["se"]}, ["net14 + SE", "net14"], ("net14",)),
        ({"row": ["NET8 + BAM"]}, ["net8", "net8 + BAM"], ("net8",)),
        ({"attention": ["bam"]}, ["net8", "net8 + BAM", "net14 + BAM", "net14"], ("net8", "net14")),
        ({"attention": ["bam"], "backbone.depth": ["14"]}, ["net14 + BAM", "net14"], ("net14",)),
    ],
)
def test_only_keeps_the_baselines_of_the_panels_that_remain(selectors, rows, baseline):
    chosen = panelled().only(selectors)
    assert list(chosen.rows) == rows
    assert chosen.baseline == baseline
    assert chosen.comparisons == 3, "p is still adjusted for the whole study"


def test_only_refuses_what_leaves_no_comparison():
    with pytest.raises(StudyError) as error:
        panelled().only({"backbone.depth": ["8"], "attention": ["se"]})
    assert str(error.value) == "--only attention=se: no row but the baseline; values: bam, none, se"


def test_another_baseline_is_that_of_its_panel():
    other = panelled().against("net14 + SE")
    assert other.panels == (Panel("net14 + SE", ("net14 + BAM", "net14 + SE", "net14")),)
    assert other.baseline == ("net14 + SE",)
    assert other.declared == "net14"
    assert other.comparisons == 4, "1 pair and 3 of them"


def test_override_reaches_every_panel():
    changed = panelled().override({"backbone.width": "8"})
    assert {run.backbone.width for run in changed.rows.values()} == {8}
    assert [panel.baseline for panel in changed.panels] == ["net8", "net14"]


def test_a_trial_says_which_panel_it_belongs_to(tmp_path):
    study_trials = StudyTrials(tmp_path, panelled())
    records = gather(panelled(), tmp_path)
    study_trials.bring_up_to_date(records)
    study_trials.enqueue(records[:3])
    params = [study_trials.claim()[0].params for _ in range(3)]
    assert params == [
        {"backbone.depth": 8, "attention": "none", "seed": 0},
        {"backbone.depth": 8, "attention": "bam", "seed": 0},
        {"backbone.depth": 14, "attention": "bam", "seed": 0},
    ]
