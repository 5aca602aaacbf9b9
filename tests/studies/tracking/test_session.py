"""A W&B run that is opened and finished: whether its server has taken all of it."""

from __future__ import annotations

import pytest
import wandb

from studies.tracking.record import log_artifact
from studies.tracking.session import finish_run, open_run
from studies.tracking.store import records, unsent


@pytest.mark.parametrize(("only", "sent"), [("CreateArtifact ", False), ("no such request", True)])
def test_a_record_of_which_an_artifact_is_refused_is_not_taken_for_sent(wandb_server, tmp_path, only, sent):
    wandb_server.refuse(403, only=only)
    run, where = open_run(tmp_path, "online", {"project": "p", "id": "0" * 16})
    artifact = wandb.Artifact("data", type="data")
    with artifact.new_file("a.txt") as file:
        file.write("a")
    log_artifact(run, artifact)
    assert (where, finish_run(run, where)) == ("online", sent)
    assert unsent(tmp_path, {"0" * 16}) == ([] if sent else records(tmp_path, "0" * 16))
