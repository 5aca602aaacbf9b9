"""What is saved on a server is what is there already, written over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("wandb_workspaces", reason="the optional package wandb-workspaces is not installed")

import wandb

from analysis.review.saved import pages, save, save_search
from analysis.review.view import search_workspace
from studies.errors import StudyError
from studies.library import find_space
from tests.analysis.report.made import MADE, asked, table
from tests.studies.tracking.server import ENTITY

STUDY = asked(1)


@pytest.fixture
def server(wandb_server, monkeypatch):
    """Yield a server with a project, to which this process is logged in."""
    monkeypatch.delenv("WANDB_SILENT")
    wandb_server.projects.append((ENTITY, "tests"))
    yield wandb_server
    assert wandb_server.unknown == []


@pytest.fixture
def empty(tmp_path):
    """Return a table without a figure."""
    return table(tmp_path, STUDY, {"none": [None] * 3, "r1": [None] * 3})


def views(server, kind):
    return [view for view in server.views.values() if view["type"] == kind]


def test_a_study_writes_over_its_own_view_and_report(server, tmp_path, empty, capsys):
    first = save(pages(STUDY, empty), ENTITY, "tests")
    other = save(pages(replace(STUDY, name="other"), empty), ENTITY, "tests")
    made = table(tmp_path, STUDY, {"none": [20.0, 21.0, 22.0], "r1": [19.0, 20.5, 21.0]})
    again = save(pages(STUDY, made, methods="## Method\n\nPaired.\n", made=MADE), ENTITY, "tests")
    assert again == first != other
    assert capsys.readouterr() == ("", ""), "what the packages print is not for the person"
    saved, reports = views(server, "project-view"), views(server, "runs")
    assert [view["displayName"] for view in saved] == ["Study made", "Study other"]
    assert [view["displayName"] for view in reports] == ["Study made", "Study other"]
    (run_set,) = json.loads(saved[0]["spec"])["section"]["runSets"]
    assert "baselineRunId" in run_set, "the second time a baseline was complete"
    assert "Paired." in reports[0]["spec"]
    known_as = saved[0]["name"].removeprefix("nw-").removesuffix("-v")
    assert first.view == f"{server.url}/{ENTITY}/tests?nw={known_as}"
    assert first.report == f"{server.url}/{ENTITY}/tests/reports/Study-made--{reports[0]['id']}"


def test_a_report_of_another_name_stays_as_a_person_has_it(server, empty):
    save(pages(STUDY, empty), ENTITY, "tests")
    (mine,) = views(server, "runs")
    mine |= {"displayName": "Mine", "spec": "{}"}
    save(pages(STUDY, empty), ENTITY, "tests")
    assert [(view["displayName"], view["spec"] == "{}") for view in views(server, "runs")] == [
        ("Mine", True),
        ("Study made", False),
    ]


def test_a_search_writes_over_its_own_view(server):
    view = search_workspace(find_space("bam"), "search+bam", "", "")
    addresses = {save_search(view, "search+bam", ENTITY, "tests") for _ in range(2)}
    assert len(addresses) == 1
    assert [view["displayName"] for view in server.views.values()] == ["Search bam"]


def test_a_project_that_is_not_there_is_one_line(server, empty):
    with pytest.raises(StudyError) as told:
        save(pages(STUDY, empty), ENTITY, "no\x1bne")
    assert str(told.value) == (
        "W&B: the view of made is not saved (Project `lab/no\\u001bne` not found. Do you have access to this "
        "project?); the same command tries again"
    )


@pytest.mark.parametrize("fault", ["refuse", "hang", "die"])
def test_a_server_that_does_not_do_it_is_one_line(server, empty, monkeypatch, fault):
    monkeypatch.setattr(wandb.Api, "_HTTP_TIMEOUT", 2)  # W&B waits 19 s, as it read from the environment at its import
    {"refuse": lambda: server.refuse(403), "hang": server.hang, "die": server.die}[fault]()
    with pytest.raises(
        StudyError, match=r"\AW&B: the view of made is not saved \(.+\); the same command tries again\Z"
    ) as told:
        save(pages(STUDY, empty), ENTITY, "tests")
    assert "\n" not in str(told.value)
    assert server.views == {}
    server.recover()
    save(pages(STUDY, empty), ENTITY, "tests")
    assert len(server.views) == 2
