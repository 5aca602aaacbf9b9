"""The connection between two nodes of a worker: TCP, a JSON object a line, broken soon after the other end has gone."""

from __future__ import annotations

import json
import select
import socket
from typing import Any


def send(connection: socket.socket, message: dict[str, Any]) -> bool:
    """Send one line, and say whether it went."""
    try:
        connection.sendall((json.dumps(message) + "\n").encode())
    except OSError:
        return False
    return True


def gone(connection: socket.socket) -> bool:
    """Say whether the other end, which has nothing more to say, has left."""
    return bool(select.select([connection], [], [], 0)[0])


def watch_over(connection: socket.socket) -> None:
    """Let the kernel break the connection some 10 s after the other machine has fallen silent."""
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in (("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
