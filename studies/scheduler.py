"""The loop: a free slot takes the next run at once, each run in a process group of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final, Protocol

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from lightning_bam.folder import RunFolder
from studies.devices import Slot
from studies.headline import reported, so_far
from studies.job import BUSY, Job, WandbMode
from studies.launch import start
from studies.processes import end_all
from studies.progress import Active, Progress, View
from studies.study import Cell

ATTEMPTS: Final = 3
"""How often a run is started within one call before a machine that keeps losing it is taken for broken."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run what is missing: on which slots, with which tracking."""

    slots: Sequence[Slot]
    threads: int = 1
    wandb: WandbMode = "offline"
    retry_failed: bool = False


class Source(Protocol):
    """Where the scheduler gets its runs from and tells how they went: a study's ledger, or a search."""

    label: str

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next run, or None where none is left."""

    def requeue(self, trial: Trial, cell: Cell) -> None:
        """Close a lost run's trial and put the run back."""

    def complete(self, trial: Trial, error: float) -> None:
        """Take a finished run's error, in percent."""

    def fail(self, trial: Trial) -> None:
        """Take note that a trial gave nothing."""

    def prune(self, trial: Trial) -> bool:
        """Say whether a running trial should be stopped, given the epochs that it has reported."""


class Scheduler:
    """The loop that keeps every slot busy until no enqueued run is left."""

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
        self.attempts: dict[str, int] = {}

    def loop(self) -> None:
        """Start, watch and close runs until nothing is enqueued or running."""
        while True:
            while self.free and (claimed := self.source.claim()):
                self._start(*claimed, self.free.pop(0))
            if not self.progress.active:
                return
            wait([active.process.sentinel for active in self.progress.active], timeout=0.2)
            for active in list(self.progress.active):
                self._follow(active)
                if active.process.exitcode is not None:
                    self._close(active)
            self.view(self.progress)

    def _start(self, trial: Trial, cell: Cell, slot: Slot) -> None:
        folder = RunFolder.of(self.root, cell.run)
        folder.describe(cell.run)
        trial.set_user_attr("folder", str(folder.path.name))
        job = Job(
            folder=folder.path.absolute(),
            study=self.source.label,
            row=cell.row,
            slot=slot,
            threads=self.options.threads,
            wandb=self.options.wandb,
        )
        self.attempts[cell.run.key] = self.attempts.get(cell.run.key, 0) + 1
        process = start(self.context, job, self.lifeline)
        self.progress.pending = max(0, self.progress.pending - 1)
        self.progress.active.append(Active(cell, trial, folder, process, slot))

    def _follow(self, active: Active) -> None:
        """Report the epochs that have come in."""
        for line in active.folder.metrics()[active.seen :]:
            figure = so_far(active.cell.run, line)
            if figure is not None:
                with suppress(UpdateFinishedTrialError):  # another scheduler has taken it for lost
                    active.trial.report(figure, line["epoch"])
                active.last_error = figure
            active.seen += 1
            over = active.seen == active.cell.run.recipe.epochs
            if not over and self.source.prune(active.trial):
                active.pruned = True
                end_all([active.process])
                return

    def _close(self, active: Active) -> None:
        """Tell how a group ended, and free its slot."""
        self.progress.active.remove(active)
        self.free.append(active.slot)
        if active.pruned:
            active.folder.note(state="pruned")
            self.progress.pruned.append(active.cell)
            return
        result = active.folder.result()
        if result is not None:
            figure = reported(active.cell.run, result)
            self.source.complete(active.trial, figure)
            self.progress.finished.append((active.cell, figure))
            self.progress.seconds.append(time.monotonic() - active.started)
            return
        code, failed = active.process.exitcode, active.folder.state() == "failed"
        if code != BUSY and not failed and self.attempts[active.cell.run.key] < ATTEMPTS:
            self.source.requeue(active.trial, active.cell)
            self.progress.pending += 1
            return
        self.source.fail(active.trial)
        if code == BUSY:
            self.progress.elsewhere += 1
        else:
            lost = f"lost {ATTEMPTS} times: its process ended with code {code}"
            reason = str(active.folder.manifest().get("error")) if failed else lost
            self.progress.failed.append((active.cell, reason))
