"""A study's saved view has exactly these runs, groups and panels."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

pytest.importorskip("wandb_workspaces", reason="the optional package wandb-workspaces is not installed")

from analysis.review.view import search_workspace, workspace
from lightning_bam.config import BAMSpec, Run
from studies.definition.study import Study
from studies.library import find_space
from studies.tracking.description import config_of
from studies.tracking.names import analysis_id, epoch_figures, reported_figures
from tests.analysis.report.made import asked, detecting, panelled, table
from tests.analysis.review.specs import CURVE, DETECTION, filters_of, panels_of, section_of

pytestmark = pytest.mark.usefixtures("no_server")

FIGURES = {"none": [20.0, 21.0, 22.0], "r1": [19.0, 20.5, 21.0]}


def run_id(encoded):
    return base64.b64decode(encoded).decode()


def sections(section):
    return {one["name"]: one for one in section["panelBankConfig"]["sections"]}


def test_a_study_of_classification(tmp_path):
    study = asked(1)
    view = workspace(study, table(tmp_path, study, FIGURES), "lab", "tests")
    assert (view.entity, view.project, view.name) == ("lab", "tests", "Study made")
    section = section_of(view)
    found = sections(section)
    assert [(name, one["isOpen"], one["pinned"]) for name, one in found.items()] == [
        ("Conclusions", True, True),
        ("Curves", True, False),
        ("Gates", True, False),
        ("Attention maps", False, False),
        ("Cost", False, False),
    ]
    (kind, shown), *media = panels_of(found["Conclusions"])
    assert kind == "Weave"
    assert shown["panel2Config"]["exp"]["fromOp"]["inputs"]["key"]["val"] == "table"
    assert [(kind, shown["mediaKeys"]) for kind, shown in media] == [
        ("Media Browser", [key]) for key in ("effects/picture", "curves/picture", "report", "methods")
    ]
    assert panels_of(found["Curves"]) == [
        ("Run History Line Plot", CURVE | {"chartTitle": "top-1 error (%), test", "metrics": ["test/error_top1"]}),
        ("Run History Line Plot", CURVE | {"chartTitle": "Training loss", "metrics": ["train/loss"]}),
    ]
    assert [shown["metricRegex"] for _, shown in panels_of(found["Gates"])] == [
        "^gate/.*/mean$",
        "^gate/.*/saturated$",
    ]
    assert [(kind, shown["metrics"], shown["groupAgg"]) for kind, shown in panels_of(found["Cost"])] == [
        ("Run History Line Plot", ["train/images_per_s"], "mean"),
        ("Bar Chart", ["device/memory_gib"], "max"),
        ("Bar Chart", ["train/seconds"], "mean"),
    ]
    assert [shown["mediaKeys"] for _, shown in panels_of(found["Attention maps"])] == [["inspect/maps"]]


def test_its_runs(tmp_path):
    study = asked(1)
    section = section_of(workspace(study, table(tmp_path, study, FIGURES | {"none": [None, 21.0, 22.0]}), "lab", "t"))
    (runs,) = section["runSets"]
    assert filters_of(runs) == [("run:tags", "IN", ["study:made"])]
    assert runs["grouping"] == [{"section": "config", "name": "rows.value.made"}]
    first = f"Run:v1:{replace(study.rows['none'], seed=1).key}:t:lab"
    assert run_id(runs["baselineRunId"]) == first, "the first that is complete"
    assert list(map(run_id, runs["pinnedRunIds"])) == [first, f"Run:v1:{analysis_id('made')}:t:lab"]
    assert runs["runFeed"]["columnOrder"] == [
        "run:displayName",
        "summary:test/error_top1",
        "config:seed.value",
        "config:attention.value.kind",
    ]
    assert section["settings"]["maxRuns"] == 10
    assert section["settings"]["shouldAutoGeneratePanels"] is False
    (key,) = section["customRunColors"]
    assert key.endswith("%22value%22%3A%22none%22%7D%5D")


def test_many_rows_are_all_drawn(tmp_path):
    study = asked(14)
    view = workspace(study, table(tmp_path, study, {row: [None] * 3 for row in study.rows}), "lab", "t")
    section = section_of(view)
    assert section["settings"]["maxRuns"] == 15
    assert "baselineRunId" not in section["runSets"][0], "no run of it is complete"


def test_a_study_of_detection(tmp_path):
    study = detecting()
    view = workspace(study, table(tmp_path, study, {"none": [40.0, 41.0, 42.0], "BAM": [41.0, 41.5, 43.0]}), "lab", "t")
    section = section_of(view)
    assert panels_of(sections(section)["Curves"]) == [
        DETECTION,
        (
            "Run History Line Plot",
            CURVE | {"groupBy": "rows.value.boxes", "chartTitle": "Training loss", "metrics": ["train/loss"]},
        ),
    ], "it is scored once"
    assert "summary:test/map_50_95" in section["runSets"][0]["runFeed"]["columnOrder"]


def test_several_baselines_are_pinned_and_none_is_w_and_b_s(tmp_path):
    study = panelled(1)
    section = section_of(workspace(study, table(tmp_path, study, {row: [20.0] * 3 for row in study.rows}), "lab", "t"))
    (runs,) = section["runSets"]
    keys = [study.rows[f"width {width}"].key for width in (8, 16, 24)]
    assert [run_id(pin).split(":")[2] for pin in runs["pinnedRunIds"]] == [*keys, analysis_id("panels")]
    assert "baselineRunId" not in runs
    assert len(section["customRunColors"]) == 3


def test_a_study_without_attention_has_no_gates(tmp_path):
    wide = Study(
        name="wide",
        question="Longer?",
        rows={"short": Run(), "long": replace(Run(), recipe=replace(Run().recipe, epochs=9))},
        baseline="short",
        scientific=("recipe.epochs",),
        seeds=1,
    )
    view = workspace(wide, table(tmp_path, wide, {"short": [None], "long": [None]}), "lab", "t")
    assert list(sections(section_of(view))) == ["Conclusions", "Curves", "Cost"]


def test_a_search():
    view = search_workspace(find_space("bam"), "search+bam+small", "lab", "t")
    assert view.name == "Search bam small"
    section = section_of(view)
    (kind, parallel), (_, importance), (_, trials) = panels_of(sections(section)["Search"])
    assert kind == "Parallel Coordinates Plot"
    assert [(axis["accessor"], axis.get("log")) for axis in parallel["columns"]] == [
        ("config:attention.value.branches", False),
        ("config:attention.value.reduction", False),
        ("config:attention.value.dilation", False),
        ("config:attention.value.combine", False),
        ("config:attention.value.norm", False),
        ("config:placement.value.kind", False),
        ("config:placement.value.stages", False),
        ("config:recipe.value.lr", True),
        ("config:recipe.value.weight_decay", True),
        ("summary:held_out/error_top1", None),
    ]
    assert importance["targetKey"] == "held_out/error_top1"
    assert (trials["xAxis"], trials["yAxis"], trials["showMinYAxisLine"]) == (
        "run:createdAt",
        "summary:held_out/error_top1",
        True,
    )
    ((_, curve),) = panels_of(sections(section)["Curves"])
    assert curve["metrics"] == ["held_out/error_top1"]
    assert "groupBy" not in curve, "a line a trial"
    (runs,) = section["runSets"]
    assert filters_of(runs) == [("run:tags", "IN", ["study:search+bam+small"])]
    assert runs["sort"]["keys"] == [
        {"key": {"section": "summary", "name": "held_out/error_top1"}, "ascending": True}
    ], "the best first"


def shown_by(section):
    """Return the figures of a view's plots, and the columns and axes that are a run's config."""
    plots = [shown for one in sections(section).values() for _, shown in panels_of(one)]
    figures = {name for shown in plots for name in shown.get("metrics", [])}
    axes = [axis["accessor"] for shown in plots for axis in shown.get("columns", [])]
    keys = [*section["runSets"][0]["runFeed"]["columnOrder"], *axes]
    figures |= {key.removeprefix("summary:") for key in keys if key.startswith("summary:")}
    return figures, {key.removeprefix("config:") for key in keys if key.startswith("config:")}


def logged_by(run, metric):
    line = {"train_loss": 1.0, "images_per_s": 2.0, "memory_gib": 3.0, "gates/layer1/mean": 0.5, metric: 4.0}
    return {*epoch_figures(run, line), *reported_figures(run, {metric: 4.0, "seconds": 5.0})}


def has(config, path):
    """Say whether a run's config has a single value there."""
    top, _, rest = path.partition(".value")
    for step in [top, *rest.split(".")[1:]]:
        if step not in config:
            return False
        config = config[step]
    return not isinstance(config, dict)


def test_it_shows_what_runs_log(tmp_path):
    study, space = asked(2), find_space("bam")
    view = section_of(workspace(study, table(tmp_path, study, {row: [None] * 3 for row in study.rows}), "lab", "t"))
    trials = section_of(search_workspace(space, "search+bam", "lab", "t"))
    row = study.rows["r1"]
    for section, run in ((view, row), (trials, space.run({}))):
        figures, knobs = shown_by(section)
        assert figures
        assert figures <= logged_by(run, "error_top1")
        assert knobs
        assert all(has(config_of(run) | {"seed": 0}, path) for path in knobs), knobs
    for panel in panels_of(sections(view)["Gates"]):
        pattern = panel[1]["metricRegex"].replace("saturated", "mean")
        assert [name for name in logged_by(row, "error_top1") if re.search(pattern, name)] == ["gate/layer1/mean"]


def test_names_of_rows_are_taken_as_they_are(tmp_path):
    row = "a|b`<b>**x**</b>` [y](http://h) $z$"
    study = Study(
        name="made",
        question="?",
        rows={row: Run(), "other": Run(attention=BAMSpec())},
        baseline=row,
        scientific=("attention",),
        seeds=1,
    )
    section = section_of(workspace(study, table(tmp_path, study, {row: [20.0], "other": [21.0]}), "lab", "t"))
    from wandb_workspaces.workspaces._run_color_groups import parse_run_color_group_key

    (key,) = section["customRunColors"]
    assert parse_run_color_group_key(key)["path"] == [{"kind": "group", "key": "config:rows.value.made", "value": row}]
