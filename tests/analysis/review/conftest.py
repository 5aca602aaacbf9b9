"""What is only described is told to nobody."""

from __future__ import annotations

import socket

import pytest

from tests.studies.tracking.conftest import wandb_server  # noqa: F401


@pytest.fixture
def no_server(monkeypatch):
    """Let whatever calls a server fail, and the caller with it."""

    def refuse(*_):
        raise AssertionError("a server was called")

    monkeypatch.setattr(socket.socket, "connect", refuse)
