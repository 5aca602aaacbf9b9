"""A W&B server in this process, and an environment that knows no other."""

from __future__ import annotations

import os
import time

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


def until(condition, timeout=120):
    """Wait for what another process does when it likes."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def environment(server, home):
    """Return variables with which W&B tells a `StubServer`, keeps files of its own in `home`, and tries again soon."""
    folders = ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
    told = {name: str(home) for name in (*folders, "HOME")} | {f"WANDB__{name}": "1" for name in SECONDS}
    told |= {"NETRC": str(home / "netrc"), "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "5" * 40}
    return told | {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}


@pytest.fixture
def wandb_server(tmp_path, monkeypatch):
    """Yield a `StubServer`; what this process or its children tell W&B goes there, and their files into `tmp_path`.

    The client's own process ends with the test.
    """
    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    with StubServer() as server:
        home = tmp_path / "wandb_home"
        home.mkdir()
        for name, value in environment(server, home).items():
            monkeypatch.setenv(name, value)
        yield server
        wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]  # `wandb.sweep` leaves a project there
