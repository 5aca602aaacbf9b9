"""The loop: a free slot takes the next run at once, each run in a process group of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path

from lightning_bam.run_folder.files import FULL_DISK, FolderError, FullDiskError
from lightning_bam.run_folder.folder import TakenOverError
from lightning_bam.run_folder.result import reported, so_far
from studies.coordination.retries import count_interruption, no_space
from studies.definition.study import Cell
from studies.engine.heartbeat import Heartbeat
from studies.engine.progress import Active, Progress, View
from studies.engine.source import Source, TrialHandle
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.job.job import FULL, TAKEN, Job, WandbMode
from studies.stopping_rules.declaration import seal
from studies.storage.postgres import patience
from studies.workers.forkserver import end_all, kill_group
from studies.workers.launch import start


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run what is missing: on which slots, with which tracking"""

    slots: Sequence[Slot]
    threads: int = 1
    wandb: WandbMode = "offline"
    monitor: bool = True
    retry_failed: bool = False
    storage: str | None = None
    patient: bool = False


class Scheduler:
    """The loop that keeps every slot busy until there is no run left to claim."""

    def __init__(
        self,
        root: Path,
        options: Options,
        source: Source,
        context: ForkServerContext,
        progress: Progress,
        view: View,
    ) -> None:
        self.root = root
        self.options = options
        self.source = source
        self.context = context
        self.progress = progress
        self.view = view
        self.free = list(options.slots)
        self.lifeline, self.alive = context.Pipe(duplex=False)
        self.heartbeat = Heartbeat(source, lambda: [active.trial for active in list(progress.active)])

    def loop(self) -> None:
        """Start, watch and close runs until nothing is left to claim, running, or worth waiting for.

        Raises:
            FolderError: the runs folder's disk is full.

        """
        self.heartbeat.start()
        try:
            while True:
                self._fill()
                more = bool(self.free) and not self.progress.halted and self.source.waits()
                if not self.progress.active:
                    if not more:
                        return
                    time.sleep(0.2)
                wait([active.process.sentinel for active in self.progress.active], timeout=0.2)
                self._end_taken_over()
                for active in list(self.progress.active):
                    ended = active.process.exitcode is not None  # before: what it writes from here on is followed later
                    self._follow(active)
                    if ended:
                        self._close(active)
                self.view(self.progress)
        except FullDiskError:
            raise FolderError(no_space(self.root)) from None
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            raise FolderError(no_space(self.root)) from None

    def end(self) -> None:
        """End every run: each leaves a checkpoint and can be gone on with, here or elsewhere."""
        end_all([active.process for active in self.progress.active])
        self.heartbeat.stop()
        with patience.none():
            self._give_all_back()

    def _give_all_back(self) -> None:
        for active in self.progress.active:
            with suppress(OSError, StudyError, FolderError):  # a full disk, a database away: the next call mends it
                self.source.fail(active.trial)
            with suppress(OSError, StudyError, FolderError):
                self.source.leases.give_back(active.cell.run)

    def _fill(self) -> None:
        while self.free and not self.progress.halted and (claimed := self.source.claim()):
            self._start(*claimed)

    def _start(self, trial: TrialHandle, cell: Cell) -> None:
        lease = self.source.lease(cell.run)
        if lease is None:
            self.source.fail(trial)
            return
        slot = self.free.pop(0)
        job = Job(
            folder=lease.folder.path.absolute(),
            study=self.source.label,
            row=cell.row,
            slot=slot,
            threads=self.options.threads,
            wandb=self.options.wandb,
            monitor=self.options.monitor,
            ranks_here=sum(slot.ranks for slot in self.options.slots),
            rule=seal(self.root, self.source.label),
            nonce=lease.folder.nonce,
        )
        try:
            process = start(self.context, job, self.lifeline, lease.lock)
        finally:
            lease.let_go()
        self.progress.pending = max(0, self.progress.pending - 1)
        self.progress.active.append(Active(cell, trial, lease.folder, process, slot))

    def _end_taken_over(self) -> None:
        """End the runs that another host has taken over."""
        for active in self.progress.active:
            if not active.taken_over and self.heartbeat.taken_over(active.cell.run.key, active.started):
                active.taken_over = True
                end_all([active.process])

    def _follow(self, active: Active) -> None:
        """Report the epochs that have come in."""
        if active.pruned:
            self._stop(active)  # an attempt that was just beginning has not heard it
            return
        for line in active.folder.metrics()[active.seen :]:
            figure = so_far(active.cell.run, line)
            if figure is not None:
                self.source.report(active.trial, figure, line["epoch"])
                active.last_error = figure
            active.seen += 1
            spared = active.cell.run.recipe.epochs - active.seen > 1  # an epoch that has begun is trained to its end
            if spared and self.source.prune(active.trial):
                active.pruned = True
                self._stop(active)
                return

    def _stop(self, active: Active) -> None:
        """Ask a pruned run to leave; one whose folder is gone will find out for itself."""
        if active.folder.path.is_dir():
            with suppress(TakenOverError):
                active.folder.request_stop("pruned")

    def _close(self, active: Active) -> None:
        """Tell how a group ended, and free its slot."""
        if active.process.exitcode != 0:
            kill_group(active.process)
        state = active.folder.state()
        if state == "complete":
            figure = self._figure(active)
            if active.process.exitcode == 0:
                self.source.complete(active.trial, figure)
            else:  # killed, and finished by somebody else since, whose trial it is; or in its very last moment
                self.source.fail(active.trial)
            self.progress.finished.append((active.cell, figure))
            self.progress.seconds.append(time.monotonic() - active.started)
        elif state == "pruned":
            self.source.fail(active.trial)
            self.progress.pruned.append(active.cell)
        elif state == "failed":
            self._give_up(active, str(active.folder.manifest().error))
        elif active.taken_over or active.process.exitcode == TAKEN:
            self._leave(active)
        elif active.process.exitcode == FULL:
            self.progress.halted = no_space(self.root, active.folder)
            self.source.fail(active.trial)
        else:
            self._retry(active)
        self.source.leases.give_back(active.cell.run)
        self.progress.active.remove(active)
        self.free.append(active.slot)

    def _leave(self, active: Active) -> None:
        """Leave a run to whoever has taken it over.

        Without a database the other one's lock cannot be seen from here: to take the run back would go on for ever.
        """
        if not self.source.leases.coordination.shared:
            print(
                f"bam: {active.folder.path}: another attempt has taken this run over, on a host whose locks cannot be "
                "seen here (`bam doctor` says more); it is left to that one",
                file=sys.stderr,
            )
            self.source.leave(active.trial, active.cell)
        else:
            self.source.requeue(active.trial, active.cell)

    def _figure(self, active: Active) -> float:
        result = active.folder.result()
        assert result is not None
        return reported(active.cell.run, result)

    def _retry(self, active: Active) -> None:
        """Put an interrupted run back, unless that was too often, it is somebody else's now, or its folder is gone."""
        lock = active.folder.acquire()
        error = None
        if lock is not None:
            try:
                if active.pruned:
                    active.folder.note(state="pruned")
                else:
                    error = count_interruption(active.folder, active.process.exitcode)
            except TakenOverError:
                self._leave(active)
                return
            finally:
                os.close(lock)
        self.source.leases.give_back(active.cell.run)
        if error is not None:
            self._give_up(active, error)
        elif active.pruned and lock is not None:
            self.progress.pruned.append(active.cell)
        else:
            self.source.requeue(active.trial, active.cell)
            self.progress.pending += 1

    def _give_up(self, active: Active, reason: str) -> None:
        self.source.fail(active.trial)
        self.progress.failed.append((active.cell, reason))
