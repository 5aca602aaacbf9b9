"""Who may train which run: the run folder's lock on this machine, and a row in PostgreSQL between hosts.

The kernel lets go of a lock when its last holder dies. The scheduler takes it and hands it on to the run's processes,
so that there is no instant in which a claimed run looks like nobody's.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from lightning_bam.config import Run
from lightning_bam.folder import RunFolder
from studies.exchange import pack
from studies.losses import count_death
from studies.postgres import BEAT, GRACE, patience, patiently
from studies.registry import Registry

ENDED: Final = ("complete", "failed")
"""States in which nobody goes on with a run unasked."""


@dataclass
class Lease:
    """The right to train a run, for as long as `lock`, a descriptor of its folder's lock, stays open somewhere."""

    folder: RunFolder
    lock: int

    def let_go(self) -> None:
        """Close this process's copy of the lock; the run's own processes may still hold theirs."""
        os.close(self.lock)


class Leases:
    """Takes and gives back leases for one scheduler.

    Args:
        root: the runs folder.
        url: PostgreSQL between hosts; without it the folders' locks are all there is.

    Raises:
        StudyError: the database does not answer.

    """

    def __init__(self, root: Path, url: str | None = None) -> None:
        self.root = root
        self.held: dict[str, RunFolder] = {}
        self.beaten = time.monotonic()
        self.registry = open_registry(root, url) if url is not None else None

    def take(self, run: Run, *, again: bool = False) -> Lease | None:
        """Take the lease of `run`, or return None where somebody else has it, or it is complete or has failed.

        Args:
            run: what is to be trained; its folder is described.
            again: also take what has failed.

        """
        folder = RunFolder.of(self.root, run)
        folder.describe(run)
        lock = folder.acquire()
        if lock is None:
            return None
        count_death(folder)
        failed = folder.manifest().get("state") == "failed"
        taken = folder.result() is None and (again or not failed)
        if taken and self.registry is not None:
            registry = self.registry
            taken = patiently(lambda: registry.take(run.key, again=again))
        if not taken:
            os.close(lock)
            return None
        if failed:
            folder.note(state="lost", losses=0)  # an attempt that dies before its first word is not the earlier one's
        elif folder.manifest().get("state") == "pruned":
            folder.note(state="lost")
        self.held[run.key] = folder
        return Lease(folder, lock)

    def give_back(self, run: Run) -> None:
        """End a lease, and tell the other hosts what became of the run."""
        folder = self.held.pop(run.key, None)
        if folder is None or self.registry is None:
            return
        registry, state = self.registry, folder.state()
        record = pack(folder) if state in ("complete", "failed") else None
        patiently(lambda: registry.give_back(run.key, state, record))

    def ended(self, runs: Iterable[Run]) -> set[str]:
        """Return the keys of those of `runs` that are complete or have failed, here or on another host."""
        wanted = list(runs)
        found = {run.key for run in wanted if RunFolder.of(self.root, run).state() in ENDED}
        if self.registry is not None:
            entries = patiently(self.registry.entries)
            found |= {run.key for run in wanted if run.key in entries and entries[run.key].state in ENDED}
        return found

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other scheduler of this root, or of this database, out of what is done meanwhile."""
        with (self.root / ".schedulers.lock").open("w") as file, ExitStack() as stack:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self.registry is not None:
                stack.enter_context(self.registry.exclusively())
            yield

    def close(self) -> None:
        """Close the connections to the database, if there are any."""
        if self.registry is not None:
            self.registry.close()

    def lost(self) -> set[str]:
        """Show life every `BEAT` seconds; return the keys of runs that another host has taken over meanwhile."""
        if self.registry is None or time.monotonic() - self.beaten < BEAT:
            return set()
        try:
            gone = self.registry.beat(self.held)
        except SQLAlchemyError as error:  # away for a moment: the next beat may reach it
            patience.missed()
            print(f"bam: PostgreSQL does not answer ({_line(error)}); the runs go on", file=sys.stderr)
            gone = set()
        self.beaten = time.monotonic()
        return gone


def open_registry(root: Path, url: str) -> Registry:
    """Open the registry of runs at `url`, as this process on this host with this runs folder.

    Raises:
        StudyError: the database does not answer.

    """
    host = socket.gethostname()
    return Registry(url, host, os.path.realpath(root), f"{host}:{os.getpid()}:{time.time_ns()}", GRACE)


def _line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
