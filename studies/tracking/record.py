"""A run's record as an artifact of W&B, from which a table can be built where the run folder is not."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import now
from studies.coordination.sync import JSON, METRICS, pack
from studies.job.observer import End

TYPE: Final = "run-record"
"""The type of the artifact."""
FILE: Final = "record.json"
"""The one file in it."""


def artifact_name(key: str) -> str:
    """Return the name of the artifact of the run with this key."""
    return f"run-{key}"


def record_of_end(folder: RunFolder, end: End) -> dict[str, Any]:
    """Return the record of a run that has just ended, without logs and the user's own code.

    The manifest of one that fails now is not written yet.
    """
    record = {name: content for name, content in pack(folder).items() if name in (*JSON, METRICS)}
    if end.state == "failed" and folder.manifest().state != "failed":
        told: dict[str, Any] = {"state": end.state, "cause": end.cause, "error": end.error}
        told["attempts"] = folder.manifest().with_last(ended=now())
        record["manifest.json"] = (record["manifest.json"] or {}) | told
    return record


def log_record(wandb: Any, wandb_run: Any, folder: RunFolder, end: End) -> None:
    """Log the record as a version of the run's artifact; W&B copies it, so that the folder may change meanwhile."""
    artifact = wandb.Artifact(artifact_name(wandb_run.id), type=TYPE, metadata={"state": end.state})
    with TemporaryDirectory() as place:
        path = Path(place, FILE)
        path.write_text(json.dumps(record_of_end(folder, end)))
        artifact.add_file(str(path), skip_cache=True)
    log_artifact(wandb_run, artifact)


def log_artifact(wandb_run: Any, artifact: Any) -> None:
    """Log an artifact into the run's record on disk, too, from which `wandb sync` sends it.

    W&B's own `log_artifact` does so offline alone. Online it asks the server first, for 19 s where none answers, and
    what has no answer is nowhere.
    """
    artifact.finalize()
    wandb_run._interface.publish_artifact(wandb_run, artifact, ["latest"])
