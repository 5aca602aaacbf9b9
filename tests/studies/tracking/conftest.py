"""A W&B server in this process, and an environment that knows no other."""

from __future__ import annotations

import os

import pytest
import wandb

from tests.studies.tracking.server import StubServer

SECONDS = (
    "FILE_STREAM_TRANSMIT_INTERVAL",
    *(
        f"{what}_RETRY_WAIT_{end}_SECONDS"
        for what in ("FILE_STREAM", "FILE_TRANSFER", "GRAPHQL")
        for end in ("MIN", "MAX")
    ),
)
"""What the client waits for, as short as it lets it be: by itself it sends history every 15 seconds."""


@pytest.fixture
def wandb_server(tmp_path, monkeypatch):
    """Yield a `StubServer`; what this process or its children tell W&B goes there, and their files into `tmp_path`.

    The client's own process ends with the test.
    """
    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    with StubServer() as server:
        folders = ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
        told = {name: str(tmp_path / "wandb_home") for name in (*folders, "HOME")}
        told |= {f"WANDB__{name}": "1" for name in SECONDS}
        told |= {"NETRC": str(tmp_path / "netrc"), "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "5" * 40}
        for name, value in (told | {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "wandb_home").mkdir()
        yield server
        wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]  # `wandb.sweep` leaves a project there
