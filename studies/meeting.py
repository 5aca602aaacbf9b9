"""Where the nodes that train one run together meet."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Final

ALONE: Final = {
    "min_nodes": 1,
    "max_nodes": 1,
    "rdzv_backend": "c10d",
    "rdzv_endpoint": "127.0.0.1:0",
    "local_addr": "127.0.0.1",
}
"""How the ranks of a run on one node meet: on a free local port."""

COMING: Final = 120
"""Seconds that a node waits for the others when a run begins."""


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """One node's part in a run that several nodes train together.

    Attributes:
        nodes: how many.
        node: which of them this is; the first, 0, has rank 0 and with it writes the run folder.
        host: the first node's name or address.
        port: of the store on it where the run's ranks meet.
        address: this node's own, on the network that leads to the others.
        listener: the first node's socket on `port`, taken beforehand so that nobody else can take the port.

    """

    nodes: int
    node: int
    host: str
    port: int
    address: str
    listener: socket.socket | None = None

    def rendezvous(self) -> dict[str, Any]:
        """Return what torch's launcher is told of it: each node's place is given, so that rank 0 is on the first."""
        return {
            "min_nodes": self.nodes,
            "max_nodes": self.nodes,
            "rdzv_backend": "static",
            "rdzv_endpoint": f"{self.host}:{self.port}",
            "rdzv_configs": {"rank": self.node, "timeout": COMING},
            "local_addr": self.address,
        }
