"""Who may train which run: the run folder's lock on this machine, and a row in PostgreSQL between hosts.

A run is taken or free, and a lease says no more; what became of it is in its folder (`coordination.retries`). The
kernel lets go of a lock when its last holder dies. The scheduler takes it and hands it on to the run's processes, so
that there is no instant in which a claimed run looks like nobody's.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import LIMIT, open_lock, wait_for
from studies.coordination.coordination import Coordination
from studies.coordination.location import Place
from studies.coordination.registry import open_registry
from studies.coordination.retries import (
    ENDED,
    FailedAttempt,
    begin,
    count_crash_of_scheduler,
    event_of,
    take_over_counts,
)
from studies.coordination.sync import pack
from studies.errors import StudyError
from studies.storage.postgres import outage, reason, refusal, with_retries


@dataclass
class Lease:
    """The right to train a run, for as long as `lock`, a descriptor of its folder's lock, stays open somewhere."""

    folder: RunFolder
    lock: int

    def let_go(self) -> None:
        """Close this process's copy of the lock; the run's own processes may still hold theirs."""
        os.close(self.lock)


class Leases:
    """Takes and gives back leases for one scheduler: locks under `root`, rows in PostgreSQL (`url`) between hosts."""

    def __init__(self, root: Path, url: str | None = None) -> None:
        self.root = root
        self.held: dict[str, RunFolder] = {}
        self.coordination = Coordination()
        if url is not None:
            Place.make(root)
            self.coordination = open_registry(root, url)

    def take(self, run: Run, *, again: FailedAttempt | None = None) -> Lease | None:
        """Take the lease of `run`, of a failed one if it is that attempt; None where it is another's, or refused."""
        folder = RunFolder.of(self.root, run)
        folder.describe(run)
        if (lock := folder.acquire()) is None:
            return None
        lease = Lease(folder, lock)
        with ExitStack() as stack:
            stack.callback(lease.let_go)
            if self._take(run.key, folder, again):
                folder.begin()
                stack.pop_all()
                return lease
        self.give_back(run.key)  # of one that is exhausted every host hears that it has failed
        return None

    def _take(self, key: str, folder: RunFolder, again: FailedAttempt | None) -> bool:
        """Say whether a run whose folder's lock we hold is ours to train; one that is `held`, but not, has failed."""
        exhausted = count_crash_of_scheduler(folder)
        event = event_of(folder, again)
        if event is None and not exhausted:
            return False
        counts = with_retries(lambda: self.coordination.take(key, again=again.beat if again else None))
        if counts is None:
            return False
        self.held[key] = folder
        if event is None:
            return False
        begin(folder, *event)
        return not (self.coordination.shared and take_over_counts(folder, counts))

    def give_back(self, key: str) -> None:
        """End the lease of the run of this key, if it is held, and tell the other hosts what became of the run."""
        folder = self.held.pop(key, None)
        if folder is None or not self.coordination.shared:
            return
        state = folder.state()
        record = pack(folder) if state in ENDED else None
        losses = folder.manifest().losses
        with_retries(lambda: self.coordination.give_back(key, state, record, losses=losses))

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other scheduler of this root, or of this database, out of what is done meanwhile."""
        path = self.root / ".schedulers.lock"
        with os.fdopen(open_lock(path, self.root), "r+b") as file:
            wait_for(file.fileno(), path, outage.at_most(LIMIT))
            with self.coordination.exclusively():
                yield

    def close(self) -> None:
        """Give back what was taken and never begun, and close the connections to the database, if there are any."""
        with outage.no_retries():
            for key in [key for key, folder in self.held.items() if folder.state() != "running"]:
                with suppress(SQLAlchemyError, StudyError, FolderError, OSError):  # its silence says the same
                    self.give_back(key)
        self.coordination.close()

    def taken_over(self) -> set[str]:
        """Send a heartbeat for what is held; return the keys of runs that another host has taken over meanwhile."""
        try:
            return self.coordination.heartbeat(list(self.held))
        except SQLAlchemyError as error:  # away for a moment: the next heartbeat may reach it
            outage.missed()
            line = refusal(error) or f"PostgreSQL does not answer ({reason(error)})"
            print(f"bam: {line}; the runs go on", file=sys.stderr)
            return set()
