"""The loop: a free slot takes the next run at once, each run in a process group of its own."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path

from lightning_bam.run_folder.files import FULL_DISK, FolderError, FullDiskError
from lightning_bam.run_folder.folder import RunFolder, TakenOverError
from lightning_bam.user_code.load import sources
from studies.coordination.retries import TABLE, count_interruption
from studies.definition.study import Cell
from studies.engine.heartbeat import Heartbeat
from studies.engine.progress import Active, Progress, RunProgress, View
from studies.engine.source import Source, TrialHandle, TrialObserver
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.job.job import FULL, Job, WandbMode
from studies.job.observer import End
from studies.stopping_rules.declaration import seal
from studies.storage.postgres import outage
from studies.tracking.marks import allow_alert
from studies.workers.forkserver import end_all, kill_group
from studies.workers.launch import start


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run what is missing: on which slots, with which tracking"""

    slots: Sequence[Slot]
    threads: int = 1
    wandb: WandbMode = "offline"
    monitor: bool = True
    alert: bool = False
    retry_failed: bool = False
    storage: str | None = None
    wait_for_others: bool = False


@dataclass
class Scheduler:
    """The loop that keeps every slot busy until there is no run to claim."""

    root: Path
    options: Options
    source: Source
    context: ForkServerContext
    progress: Progress
    view: View

    def __post_init__(self) -> None:
        if self.options.alert:
            allow_alert(self.root, self.source.label)
        self.free = list(self.options.slots)
        self.lifeline, self.other_end = self.context.Pipe(duplex=False)
        self.heartbeat = Heartbeat(self.source, lambda: [active.trial for active in list(self.progress.active)])

    def loop(self) -> None:
        """Start, watch and close runs until nothing is to be claimed, running, or worth waiting for."""
        self.heartbeat.start()
        try:
            while True:
                while self.free and not self.progress.halted and (claim := self.source.claim()):
                    self._start(*claim)
                more = bool(self.free) and not self.progress.halted and self.source.waits()
                if not self.progress.active:
                    if not more:
                        return
                    time.sleep(0.2)
                wait([active.process.sentinel for active in self.progress.active], timeout=0.2)
                for active in list(self.progress.active):
                    if self._taken_over(active):
                        end_all([active.process])
                    ended = active.process.exitcode is not None  # before: what it writes from here on is followed later
                    self._follow(active)
                    if ended:
                        self._close(active)
                self.view(self.progress)
        except (FullDiskError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in FULL_DISK:
                raise
            raise FolderError(no_space(self.root)) from None

    def end(self) -> None:
        """End every run: each leaves a checkpoint and can be resumed, here or elsewhere."""
        end_all([active.process for active in self.progress.active])
        self.heartbeat.stop()
        with outage.no_retries():
            for active in list(self.progress.active):
                with suppress(OSError, StudyError, FolderError):  # a full disk, a database away: the next call mends it
                    self._notify(active, End(state="interrupted"))
                with suppress(OSError, StudyError, FolderError):
                    self.source.leases.give_back(active.cell.run.key)

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
            alert=self.options.alert,
            about=self.source.about,
            ranks_here=sum(slot.ranks for slot in self.options.slots),
            purpose={**self.source.judged_by, **seal(self.root, self.source.label)},
            nonce=lease.folder.nonce,
            code=sources(cell.run),
        )
        try:
            process = start(self.context, job, self.lifeline, lease.lock)
        finally:
            lease.let_go()
        active = Active(cell, trial, lease.folder, process, slot)
        active.observers += [TrialObserver(self.source, trial, cell), RunProgress(self.progress, active)]
        for observer in active.observers:
            observer.start()

    def _taken_over(self, active: Active) -> bool:
        """Say whether another attempt has a run: by its folder, or by the database where hosts share no folder."""
        try:
            active.folder.check_attempt()
        except TakenOverError:
            return True
        return self.heartbeat.taken_over(active.cell.run.key, active.started)

    def _follow(self, active: Active) -> None:
        """Tell the observers of the epochs that have come in, and prune where the source says so."""
        for line in [] if active.pruned else active.folder.metrics()[active.epochs :]:
            for observer in active.observers:
                observer.epoch(line)
            active.epochs += 1
            spared = active.cell.run.recipe.epochs - active.epochs > 1  # an epoch that has begun is trained to its end
            if spared and self.source.prune(active.trial):
                active.pruned = True
                break
        active.look()
        if active.pruned and active.folder.path.is_dir():  # again and again: an attempt that begins forgets it
            with suppress(TakenOverError):
                active.folder.request_stop("pruned")

    def _close(self, active: Active) -> None:
        """Tell the observers how a group ended, and free its slot."""
        if active.process.exitcode != 0:
            kill_group(active.process)
        end = self._end_of(active, active.process.exitcode or 0)
        self._notify(active, end)
        if end.again:
            self.source.requeue(active.trial, active.cell)
        self.source.leases.give_back(active.cell.run.key)
        self.free.append(active.slot)

    def _notify(self, active: Active, end: End) -> None:
        for observer in active.observers:
            observer.end(end)

    def _end_of(self, active: Active, code: int) -> End:
        """Say how a group ended; an interruption is counted."""
        folder = active.folder
        state = folder.state()
        if state in ("complete", "pruned", "failed"):
            error = str(folder.manifest().error) if state == "failed" else ""
            return End(state=state, code=code, result=folder.result(), error=error)
        if self._taken_over(active):
            if self.source.leases.coordination.shared:
                return End(state="running", code=code, again=True)
            # the other one's lock cannot be seen from here: to take the run back would go on for ever
            print(
                f"bam: {folder.path}: another attempt has taken this run over, on a host whose locks cannot be "
                "seen here (`bam doctor` says more); it is left to that one",
                file=sys.stderr,
            )
            return End(state="running", code=code)
        if code == FULL:
            self.progress.halted = no_space(self.root, folder)
            return End(state="interrupted", code=code)
        return self._interruption(active, code)

    def _interruption(self, active: Active, code: int) -> End:
        """Count an interruption, unless the run is somebody else's now, or its folder is missing."""
        lock = active.folder.acquire()
        if lock is None:
            return End(state="interrupted", code=code, again=True)
        try:
            if active.pruned:
                active.folder.end(TABLE["prune", "running"].state)
                return End(state="pruned", code=code)
            error = count_interruption(active.folder, code)
        finally:
            os.close(lock)
        if error is not None:
            return End(state="failed", code=code, cause="interrupted", error=error)
        return End(state="interrupted", code=code, again=True)


def no_space(root: Path, folder: RunFolder | None = None) -> str:
    """Return the line for a full disk, which is the runs folder's unless a run can tell otherwise."""
    error = folder.manifest().error if folder is not None else None
    if folder is None or not error or str(folder.path.absolute()) in error:
        return f"{root}: no space left on its disk; make room, then the same command goes on"
    places = f"on the disk of {root}, in {tempfile.gettempdir()} or in /dev/shm"
    return f"no space left ({error}); make room {places}, then the same command goes on"
