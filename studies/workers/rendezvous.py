"""Where the ranks of a run meet: a store of torch's that listens on one address and unpickles nothing.

torch's c10d rendezvous listens on every address of the host and unpickles its state, which whoever reaches the port
may set. The static rendezvous keeps bytes and JSON alone, and uses the store that this process already has at its port.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psutil
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not list the store

LOOPBACK: Final = "127.0.0.1"
TIMEOUT: Final = 120
"""Seconds that a node waits for the others when a run begins."""


@dataclass(frozen=True, kw_only=True)
class Rendezvous:
    """One node's part in a run on `nodes`; node 0 keeps the store, at its `address` and `port`, 0 for a free one."""

    nodes: int = 1
    node: int = 0
    address: str = LOOPBACK
    port: int = 0

    @contextmanager
    def open(self) -> Iterator[dict[str, Any]]:
        """Keep the store open, if it is this node's, and yield what torch's `LaunchConfig` needs to know of it."""
        store, port = None, self.port
        if self.node == 0:
            with socket.create_server((self.address, port)) as listener:
                port = listener.getsockname()[1]
                store = TCPStore(
                    self.address,
                    port,
                    is_master=True,
                    wait_for_workers=False,
                    multi_tenant=True,  # torch's launcher, in this process, then opens no other
                    master_listen_fd=listener.detach(),
                )
        own_address = self.address if self.node == 0 else local_address(self.address)
        self._choose_interface(own_address)
        try:
            yield {
                "min_nodes": self.nodes,
                "max_nodes": self.nodes,
                "rdzv_backend": "static",
                "rdzv_endpoint": f"{self.address}:{port}",
                "rdzv_configs": {"rank": self.node, "timeout": TIMEOUT},
                "local_addr": own_address,
            }
        finally:
            del store

    def _choose_interface(self, address: str) -> None:
        """Have gloo and NCCL meet on the network of this address, and not on one that other hosts can reach."""
        os.environ.pop("NCCL_COMM_ID", None)  # an address of its own, on which NCCL would listen
        os.environ["NCCL_RAS_ENABLE"] = "0"  # a server that shows whoever connects how the ranks fare
        network = interface(address)
        # without the sign NCCL takes every interface whose name begins so
        networks = {"GLOO_SOCKET_IFNAME": network, "NCCL_SOCKET_IFNAME": f"={network}"}
        os.environ.update(
            networks if self.nodes == 1 else networks | os.environ
        )  # between hosts the user's choice counts


def interface(address: str) -> str:
    """Return the name of the network interface that has this address; OSError where this host has none."""
    for name, addresses in psutil.net_if_addrs().items():
        if address in [one.address for one in addresses]:
            return name
    raise OSError(f"no network interface of this host has the address {address}")


def local_address(other: str) -> str:
    """Return the address of this host on the network that leads to another host; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((other, 9))
        return str(route.getsockname()[0])


def free_port(address: str) -> int:
    """Return a port that is free at this address now."""
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])
