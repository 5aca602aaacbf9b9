"""One node's part of a run that several nodes train, and how the run ends on all of them as one.

A rank that dies breaks the connections of all the others, on every node. The first that crashed leaves word in the run
folder, which the nodes share; where none did, a node or a rank was lost with its machine, and so is the run: it can be
gone on with. In a store that the first node keeps while the run lasts, each node shows life, and when it ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

import psutil
from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # torch does not list the store

from studies.failure import Failure, Lost, RankError
from studies.job import Job
from studies.meeting import COMING, Meeting
from studies.ranks import launch

BEAT: Final = 1.0
"""Seconds between two signs of life of a node."""
SILENCE: Final = 7.0
"""Seconds without one after which a node is taken for gone."""
GRACE: Final = 4.0
"""Seconds that the ranks here get to end by themselves once another node is gone or has failed."""
TELLING: Final = 3.0
"""Seconds that word of a crash on another node may take through a shared folder."""
GONE: Final = (143, "another node is gone")
"""How the run ends where a node is lost with its machine."""


def together(job: Job) -> None:
    """Train this node's part of a run.

    Raises:
        RankError: the first rank that failed, on whichever node.
        Lost: a rank or a node was lost with its machine, or told to leave.

    """
    assert job.meeting is not None
    if network := interface(job.meeting.address):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", network)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", network)
    try:
        with Company(job.meeting) as company:
            launch(job)
    except DistError as error:
        print(f"the nodes do not meet: {error}", file=sys.stderr)
        raise Lost(*GONE) from None
    except (RankError, Lost) as error:
        victim = company.gave_up or (isinstance(error, RankError) and error.failure.cause == "connection")
        if not victim:
            raise
        failure = crash(job)
        raise (RankError(failure) if failure else Lost(*GONE)) from None


def crash(job: Job) -> Failure | None:
    """Return the word that the first rank that crashed has left, which may be on its way from another node."""
    deadline = time.monotonic() + TELLING
    while (found := Failure.first(job.folder)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def interface(address: str) -> str | None:
    """Return the name of the network interface that has this address, if any; gloo and NCCL choose by name.

    Left to themselves they take the one that this machine's own name resolves to, on Debian the loopback.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if address in [one.address for one in addresses]:
            return name
    return None


class Company:
    """Watches over the other nodes while the ranks here train; use it as a context around the launch.

    Args:
        meeting: where the nodes meet, and which of them this is.

    Attributes:
        gave_up: whether the ranks here were killed because those of another node had ended.

    Raises:
        DistError: the first node cannot be reached.

    """

    def __init__(self, meeting: Meeting) -> None:
        self.me = meeting.node
        self.others = [node for node in range(meeting.nodes) if node != meeting.node]
        self.gave_up = False
        self.over = threading.Event()
        place = (meeting.host, meeting.port)
        if meeting.listener is not None:  # torch's launcher, in this process, finds the store that it would make there
            self.kept = TCPStore(
                *place,
                is_master=True,
                wait_for_workers=False,
                multi_tenant=True,
                master_listen_fd=meeting.listener.detach(),
            )
        self.store = TCPStore(*place, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=COMING))
        self.pulses = {node: ("", time.monotonic()) for node in self.others}
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Company:
        self.watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.over.set()
        self.watcher.join()
        with suppress(DistError):
            self.store.set(f"ended {self.me}", "well" if kind is None else "badly")

    def _watch(self) -> None:
        alone: float | None = None
        beats = 0
        while not self.over.wait(BEAT):
            beats += 1
            try:
                self.store.set(f"beat {self.me}", str(beats))
                well = all(self._well(node) for node in self.others)
            except DistError:  # the first node keeps the store
                well = False
            alone = None if well else alone or time.monotonic()
            if alone is not None and time.monotonic() - alone > GRACE:
                self.gave_up = True
                for rank in psutil.Process().children():
                    with suppress(psutil.NoSuchProcess):
                        rank.kill()

    def _well(self, node: int) -> bool:
        """Say whether a node trains, has ended well, or is still to come (the launcher does not wait for ever)."""
        if self.store.check([f"ended {node}"]):
            return bool(self.store.get(f"ended {node}") == b"well")
        if not self.store.check([f"beat {node}"]):
            return True
        pulse = self.store.get(f"beat {node}").decode()
        if pulse != self.pulses[node][0]:
            self.pulses[node] = (pulse, time.monotonic())
        return time.monotonic() - self.pulses[node][1] < SILENCE
