"""Who may train which run: the run folder's lock on this machine, and a row in PostgreSQL between hosts.

The kernel lets go of a lock when its last holder dies. The scheduler takes it and hands it on to the run's processes,
so that there is no instant in which a claimed run looks like nobody's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import LIMIT, open_lock, wait_for
from lightning_bam.run_folder.manifest import MOST, after_failure
from studies.coordination.coordination import Coordination, FileLocks
from studies.coordination.location import Place
from studies.coordination.registry import open_registry
from studies.coordination.retries import count_crash_of_scheduler, count_elsewhere
from studies.coordination.sync import pack
from studies.errors import StudyError
from studies.storage.postgres import patience, patiently, refusal

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


@dataclass(frozen=True)
class Failed:
    """Which failed attempt of a run is known, so that one that fails later is not taken for it.

    Attributes:
        retries: how often the run had been taken although it had failed; None where it has not failed here.
        beat: the last heartbeat of the attempt that failed; None where no host has told of one.

    """

    retries: int | None
    beat: datetime | None


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
        self.coordination: Coordination = FileLocks()
        if url is not None:
            Place.marked(root)
            self.coordination = open_registry(root, url)

    def take(self, run: Run, *, again: Failed | None = None) -> Lease | None:
        """Take the lease of `run`, or return None where somebody else has it, or it is complete or has failed.

        Args:
            run: what is to be trained; its folder is described.
            again: take it also if it has failed, in this attempt and in none since.

        """
        folder = RunFolder.of(self.root, run)
        folder.describe(run)
        lock = folder.acquire()
        if lock is None:
            return None
        try:
            if self._ours(run, folder, again):
                folder.begin()
                return Lease(folder, lock)
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        if run.key in self.held:
            self.give_back(run)  # it has failed of its losses, and so on every host
        return None

    def _ours(self, run: Run, folder: RunFolder, again: Failed | None) -> bool:
        """Say whether a run whose folder's lock we hold is ours to train; if it is `held`, but not, it has failed."""
        died = count_crash_of_scheduler(folder)
        before = None if died else _retries(folder)
        taken = folder.result() is None and (before is None or (again is not None and again.retries == before))
        beat = again.beat if again else None
        if not taken or not patiently(lambda: self.coordination.take(run.key, again=beat)):
            return False
        self.held[run.key] = folder
        if before is not None:
            # an attempt that dies before its first word is not the earlier one's
            folder.note(
                state="interrupted", losses=0, retries=min(before + 1, MOST), attempts=after_failure(folder.manifest())
            )
        elif folder.manifest().state == "pruned":
            folder.note(state="interrupted")
        return not (died or self._died_elsewhere(run, folder))

    def _died_elsewhere(self, run: Run, folder: RunFolder) -> bool:
        """Take over how often the run was interrupted on all hosts; say whether it has failed of that."""
        if not self.coordination.shared:
            return False
        return count_elsewhere(folder, *patiently(lambda: self.coordination.losses(run.key)))

    def put_away_contradictions(self, folders: Iterable[RunFolder]) -> None:
        """Let those of these runs begin anew whose record is torn or contradicts itself, unless somebody has them.

        Raises:
            FolderError: one cannot be read or written.

        """
        for folder in folders:
            unfinished = folder.path.is_dir() and not (folder.path / "result.json").exists()
            if unfinished and (lock := folder.acquire()) is not None:
                try:
                    folder.put_away_contradiction()
                finally:
                    os.close(lock)

    def failures(self, runs: Iterable[Run]) -> dict[str, Failed]:
        """Return by key which attempts of `runs` have failed by now; see `take`."""
        entries = patiently(self.coordination.entries)
        found = {}
        for run in runs:
            entry = entries.get(run.key)
            beat = entry.beat if entry is not None and entry.state == "failed" else None
            found[run.key] = Failed(_retries(RunFolder.of(self.root, run)), beat)
        return found

    def give_back(self, run: Run) -> None:
        """End a lease, and tell the other hosts what became of the run."""
        self._give_back(run.key)

    def _give_back(self, key: str) -> None:
        folder = self.held.pop(key, None)
        if folder is None or not self.coordination.shared:
            return
        state = folder.state()
        record = pack(folder) if state in ("complete", "failed") else None
        losses = folder.manifest().losses
        patiently(lambda: self.coordination.give_back(key, state, record, losses=losses))

    def ended(self, runs: Iterable[Run]) -> set[str]:
        """Return the keys of those of `runs` that are complete or have failed, here or on another host."""
        wanted = list(runs)
        found = {run.key for run in wanted if RunFolder.of(self.root, run).state() in ENDED}
        entries = patiently(self.coordination.entries)
        return found | {run.key for run in wanted if run.key in entries and entries[run.key].state in ENDED}

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other scheduler of this root, or of this database, out of what is done meanwhile.

        Raises:
            FolderError: another process has had the root's lock for too long.
            StudyError: another session has had the database's.

        """
        path = self.root / ".schedulers.lock"
        with os.fdopen(open_lock(path, self.root), "r+b") as file:
            wait_for(file.fileno(), path, patience.at_most(LIMIT))
            with self.coordination.exclusively():
                yield

    def close(self) -> None:
        """Give back what was taken and never begun, and close the connections to the database, if there are any."""
        with patience.none():
            for key in [key for key, folder in self.held.items() if folder.state() != "running"]:
                with suppress(SQLAlchemyError, StudyError, FolderError, OSError):  # its silence will tell
                    self._give_back(key)
        self.coordination.close()

    def taken_over(self) -> set[str]:
        """Send a heartbeat for what is held; return the keys of runs that another host has taken over meanwhile."""
        try:
            return self.coordination.heartbeat(list(self.held))
        except SQLAlchemyError as error:  # away for a moment: the next beat may reach it
            patience.missed()
            said = refusal(error) or f"PostgreSQL does not answer ({_line(error)})"
            print(f"bam: {said}; the runs go on", file=sys.stderr)
            return set()


def _retries(folder: RunFolder) -> int | None:
    """Return how often a failed run was taken all the same before; None for one that has not failed."""
    manifest = folder.manifest()
    return manifest.retries if manifest.state == "failed" else None


def _line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
