"""What is saved on a server is what is there already, written over."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

pytest.importorskip("wandb_workspaces", reason="the optional package wandb-workspaces is not installed")

import wandb

from analysis.review.saved import save, save_search
from studies.errors import StudyError
from studies.library import find_space
from tests.analysis.report.made import MADE, asked, table
from tests.analysis.review.view_server import ENTITY, serving


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Yield a server that this process is logged in to; the client's own process ends with the test."""
    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    folders = ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HOME")
    with serving() as server:
        told = {name: str(tmp_path / "home") for name in folders}
        told |= {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": "5" * 40, "NETRC": str(tmp_path / "netrc")}
        for name, value in (told | {"WANDB_ERROR_REPORTING": "false"}).items():
            monkeypatch.setenv(name, value)
        yield server
        wandb.teardown()


def test_a_study_writes_over_its_own_view_and_report(server, tmp_path, capsys):
    study = asked(1)
    none = table(tmp_path, study, {"none": [None] * 3, "r1": [None] * 3})
    first = save(study, none, ENTITY, "tests")
    other = save(replace(study, name="other"), none, ENTITY, "tests")
    made = table(tmp_path, study, {"none": [20.0, 21.0, 22.0], "r1": [19.0, 20.5, 21.0]})
    again = save(study, made, ENTITY, "tests", methods="## Method\n\nPaired.\n", made=MADE)
    assert again == first != other
    assert capsys.readouterr() == ("", ""), "what the packages print is not for the person"
    assert [view["displayName"] for view in server.workspaces()] == ["Study made", "Study other"]
    assert [view["displayName"] for view in server.reports()] == ["Study made", "Study other"]
    (run_set,) = json.loads(server.workspaces()[0]["spec"])["section"]["runSets"]
    assert "baselineRunId" in run_set, "the second time a baseline was complete"
    assert "Paired." in server.reports()[0]["spec"]
    known_as = server.workspaces()[0]["name"].removeprefix("nw-").removesuffix("-v")
    assert first.view == f"{server.address}/{ENTITY}/tests?nw={known_as}"
    assert first.report == f"{server.address}/{ENTITY}/tests/reports/Study-made--{server.reports()[0]['id']}"


def test_a_report_of_another_name_stays_as_a_person_has_it(server, tmp_path):
    study = asked(1)
    none = table(tmp_path, study, {"none": [None] * 3, "r1": [None] * 3})
    save(study, none, ENTITY, "tests")
    (mine,) = server.reports()
    mine["displayName"], mine["spec"] = "Mine", "{}"
    save(study, none, ENTITY, "tests")
    assert [(view["displayName"], view["spec"] == "{}") for view in server.reports()] == [
        ("Mine", True),
        ("Study made", False),
    ]


def test_a_search_writes_over_its_own_view(server):
    addresses = {save_search(find_space("bam"), "search+bam", ENTITY, "tests") for _ in range(2)}
    assert len(addresses) == 1
    assert [view["displayName"] for view in server.workspaces()] == ["Search bam"]


@pytest.mark.parametrize(
    ("project", "refuses", "reason"),
    [("tests", True, r".*permission\\u001b\[31m denied.*"), ("none", False, ".*none` not found.*")],
)
def test_what_goes_wrong_is_one_line(server, tmp_path, project, refuses, reason):
    server.refuses = refuses
    none = table(tmp_path, asked(1), {"none": [None] * 3, "r1": [None] * 3})
    with pytest.raises(
        StudyError, match=rf"\AW&B: the view of made is not saved \({reason}\); the same command"
    ) as told:
        save(asked(1), none, ENTITY, project)
    assert "\n" not in str(told.value)
    assert server.views == {}


def test_a_dead_server_is_one_line(server, tmp_path, monkeypatch):
    none = table(tmp_path, asked(1), {"none": [None] * 3, "r1": [None] * 3})
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(
        wandb.Api, "_HTTP_TIMEOUT", 1
    )  # W&B waits 19 s, as it read from the environment when it was loaded
    with pytest.raises(StudyError, match="the view of made is not saved"):
        save(asked(1), none, ENTITY, "tests")
