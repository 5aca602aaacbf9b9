"""One worker on several nodes: the first claims runs and tells the others to take part; they follow until it is done.

The nodes talk over one connection each, a JSON object a line. It needs the trusted network that torch's own
rendezvous needs: who can reach the port can take part.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final

from studies import launch
from studies.devices import Slot
from studies.ending import termination_as_interrupt
from studies.error import StudyError
from studies.job import Job
from studies.meeting import Meeting
from studies.processes import end_all, forkserver
from studies.wire import gone, send, watch_over

PATIENCE: Final = 600.0
"""Seconds that a node waits for the others before the first run."""
SHORT: Final = 3.0
"""Seconds that runs get to end once the first node is gone; their ranks have lost their connections anyway."""


class NodeGoneError(RuntimeError):
    """Another node of this worker is gone; the message is one line that says which."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Which of how many nodes this one is, and where they meet.

    Raises:
        StudyError: a number or an address that cannot be.

    """

    count: int
    rank: int
    host: str
    port: int

    @classmethod
    def parse(cls, count: int, rank: int | None, rendezvous: str | None) -> Nodes:
        """Read the arguments `--nodes`, `--node-rank` and `--rendezvous`."""
        if rank is None or rendezvous is None:
            raise StudyError(f"--nodes {count}: give --node-rank and --rendezvous HOST:PORT, too")
        if not 0 <= rank < count:
            raise StudyError(f"--node-rank {rank}: give a number from 0 to {count - 1} with --nodes {count}")
        host, _, port = rendezvous.rpartition(":")
        if not (host and port.isdigit() and 0 < int(port) < 2**16):
            raise StudyError(f"--rendezvous {rendezvous}: give the first node's HOST:PORT, as node1:29500")
        return cls(count=count, rank=rank, host=host, port=int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Leader:
    """The first node's side: use it as a context around what claims runs, and its `start` to start them.

    Args:
        nodes: whose first node this is.
        patience: seconds to wait for the others.

    """

    def __init__(self, nodes: Nodes, patience: float = PATIENCE) -> None:
        self.nodes = nodes
        self.patience = patience
        self.followers: dict[int, socket.socket] = {}

    def __enter__(self) -> Leader:
        try:
            server = socket.create_server(("", self.nodes.port))
        except OSError as error:
            raise StudyError(
                f"--rendezvous {self.nodes}: cannot listen there ({os.strerror(error.errno or 0)})"
            ) from None
        deadline = time.monotonic() + self.patience
        with server:
            while missing := sorted(set(range(1, self.nodes.count)) - set(self.followers)):
                server.settimeout(max(0.1, deadline - time.monotonic()))
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    raise NodeGoneError(
                        f"node {missing[0]} did not come to {self.nodes} in {self.patience:.0f} s"
                    ) from None
                self._welcome(connection)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for connection in self.followers.values():
            if kind is None:
                with suppress(OSError):
                    send(connection, {"done": True})
            connection.close()

    def start(self, context: ForkServerContext, job: Job, lifeline: Connection, lock: int | None) -> ForkServerProcess:
        """Start a run on every node; see `studies.launch.start`.

        Raises:
            NodeGoneError: one of them is gone.

        """
        with socket.create_server(("", 0)) as listener:
            port = listener.getsockname()[1]
            told = {
                "folder": str(job.folder),
                "study": job.study,
                "row": job.row,
                "ranks": job.slot.ranks,
                "gpus": job.slot.gpus,
                "threads": job.threads,
                "port": port,
            }
            for node, connection in self.followers.items():
                if gone(connection) or not send(connection, told):
                    raise NodeGoneError(f"node {node} is gone; start every node again, the runs go on from here")
            address = next(iter(self.followers.values())).getsockname()[0]
            meeting = Meeting(
                nodes=self.nodes.count, node=0, host=self.nodes.host, port=port, address=address, listener=listener
            )
            return launch.start(context, replace(job, meeting=meeting), lifeline, lock)

    def _welcome(self, connection: socket.socket) -> None:
        """Take a follower that says which node it is; anything else that connects is left alone."""
        connection.settimeout(5.0)
        try:
            hello = json.loads(connection.makefile().readline())
            node = int(hello["node"])
        except (OSError, ValueError, KeyError, TypeError):
            connection.close()
            return
        if hello.get("nodes") != self.nodes.count or not 0 < node < self.nodes.count or node in self.followers:
            connection.close()
            return
        watch_over(connection)
        self.followers[node] = connection


def follow(nodes: Nodes, patience: float = PATIENCE) -> None:
    """Take part in the runs of the first node until it is done.

    Raises:
        NodeGoneError: the first node cannot be reached, or left before it was done; every run has been ended.
        KeyboardInterrupt: interrupted; every run has been ended.

    """
    connection = reach(nodes, patience)
    context = forkserver()
    lifeline, alive = context.Pipe(duplex=False)
    running: list[ForkServerProcess] = []
    address = connection.getsockname()[0]
    with connection, alive, termination_as_interrupt():
        try:
            for told in heard(connection, running):
                if told.get("done"):
                    return
                running.append(launch.start(context, job_of(told, nodes, address), lifeline, None))
            raise NodeGoneError(f"node 0 at {nodes} is gone before it was done; start every node again")
        finally:
            end_all(running, SHORT)


def heard(connection: socket.socket, running: list[ForkServerProcess]) -> Iterator[dict[str, Any]]:
    """Yield what the first node says until it says no more, burying the runs that have ended meanwhile."""
    rest = b""
    while True:
        ready = wait([connection.fileno(), *(process.sentinel for process in running)])
        for process in [process for process in running if process.exitcode is not None]:
            running.remove(process)
        if connection.fileno() not in ready:
            continue
        try:
            said = connection.recv(65536)
        except OSError:
            return
        if not said:
            return
        *lines, rest = (rest + said).split(b"\n")
        for line in lines:
            yield json.loads(line)


def job_of(told: dict[str, Any], nodes: Nodes, address: str) -> Job:
    """Return this node's part of a run."""
    return Job(
        folder=Path(told["folder"]),
        study=told["study"],
        row=told["row"],
        slot=Slot(told["ranks"], tuple(told["gpus"]), nodes.count),
        threads=told["threads"],
        wandb="off",  # rank 0 tracks, on the first node
        meeting=Meeting(nodes=nodes.count, node=nodes.rank, host=nodes.host, port=told["port"], address=address),
    )


def reach(nodes: Nodes, patience: float) -> socket.socket:
    """Connect to the first node, which may start later than this one.

    Raises:
        NodeGoneError: it did not within `patience` seconds.

    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection = socket.create_connection((nodes.host, nodes.port), timeout=5.0)
        except OSError as error:
            if time.monotonic() > deadline:
                raise NodeGoneError(f"node 0 at {nodes} does not answer ({error.strerror or error})") from None
            time.sleep(0.5)
            continue
        connection.settimeout(None)
        watch_over(connection)
        send(connection, {"node": nodes.rank, "nodes": nodes.count})
        return connection
