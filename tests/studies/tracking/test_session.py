"""A W&B run that is opened and finished: whether its server has taken all of it."""

from __future__ import annotations

import json
import math
import threading
import time
from platform import node

import pytest
import wandb

from studies.tracking.marks import SILENCE, SILENT, forget_silence, note_silence, silence
from studies.tracking.record import log_artifact
from studies.tracking.session import finish_run, open_run
from studies.tracking.store import records, unsent
from tests.studies.tracking.conftest import until

ASKED = ("file_stream", "CreateArtifact ", "PUT /storage/run", "CreateRunFiles", "UpsertBucket", "Alert")
"""Requests that tell a server of a run once it is open; the first of `UpsertBucket` opens it."""


OPENING = {"UpsertBucket": 1}


def told(root):
    """Open a W&B run, tell of all that a server may refuse, and say whether it has taken it."""
    run, where = open_run(root, "online", {"project": "p", "id": "0" * 16})
    run.config["more"] = 1
    run.log({"epoch": 1}, step=1)
    artifact = wandb.Artifact("data", type="data")
    (root / "a.txt").write_text("a")
    artifact.add_file(str(root / "a.txt"), skip_cache=True)
    log_artifact(run, artifact)
    run.alert("a run failed", "why")
    assert where == "online"
    return finish_run(run, where)


@pytest.mark.parametrize("only", [*ASKED, None])
def test_a_record_of_which_a_part_is_refused_is_not_taken_for_sent(wandb_server, tmp_path, only):
    if only:
        wandb_server.refuse(403, only=only, after=OPENING.get(only, 0))
    assert told(tmp_path) is (only is None)
    assert unsent(tmp_path, {"0" * 16}) == (records(tmp_path, "0" * 16) if only else [])
    assert not only or wandb_server.faults[only].heard > OPENING.get(only, 0)


def test_a_record_that_is_taken_at_a_second_try_is_sent(wandb_server, tmp_path):
    """Each request is refused until it is made again."""
    for only in ASKED:
        wandb_server.refuse(500, only=only, after=OPENING.get(only, 0))

    def recovered():
        with wandb_server.lock:
            for only in [only for only, fault in wandb_server.faults.items() if fault.heard > fault.after + 1]:
                wandb_server.recover(only)
        return not wandb_server.faults

    recovery = threading.Thread(target=until, args=[recovered])
    recovery.start()
    assert told(tmp_path)
    recovery.join()
    (run,) = wandb_server.runs.values()
    assert (unsent(tmp_path, {run.id}), run.config, len(run.history)) == ([], {"more": 1}, 1)
    assert (len(wandb_server.alerts), [one.name for one in run.logged]) == (1, ["data:v0"])


def test_a_server_that_has_not_answered_is_left_alone_for_a_while(tmp_path, monkeypatch):
    assert silence(tmp_path, "here:80") is None
    note_silence(tmp_path, "here:80")
    assert 0 <= silence(tmp_path, "here:80") < 60
    assert silence(tmp_path, "there:80") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SILENCE)
    assert silence(tmp_path, "here:80") is None
    note_silence(tmp_path, "here:80")
    assert silence(tmp_path, "here:80") == 0
    forget_silence(tmp_path)
    assert silence(tmp_path, "here:80") is None


@pytest.mark.parametrize(
    "change",
    [{"time": when} for when in (None, "0", True, [], 10**400, math.nan, math.inf, -math.inf, 1e11)]
    + [{"host": "other"}, {"server": ["here:80"]}],
    ids=range(11),
)
def test_a_mark_that_somebody_else_wrote_says_nothing(tmp_path, change):
    (tmp_path / "wandb").mkdir()
    told = {"server": "here:80", "host": node(), "time": time.time()}
    (tmp_path / "wandb" / SILENT).write_text(json.dumps(told))
    assert silence(tmp_path, "here:80") is not None
    (tmp_path / "wandb" / SILENT).write_text(json.dumps(told | change))
    assert silence(tmp_path, "here:80") is None


def test_a_mark_that_is_no_plain_file_is_neither_read_nor_written_through(tmp_path):
    note_silence(tmp_path, "here:80")
    mark, other = tmp_path / "wandb" / SILENT, tmp_path / "other"
    mark.rename(other)
    mark.symlink_to(other)
    told = other.read_text()
    assert silence(tmp_path, "here:80") is None
    note_silence(tmp_path, "here:80")
    assert (mark.is_symlink(), other.read_text()) == (False, told)
    assert silence(tmp_path, "here:80") is not None
    for text in ("", "{", "[]", "\xff"):
        mark.write_text(text)
        assert silence(tmp_path, "here:80") is None
