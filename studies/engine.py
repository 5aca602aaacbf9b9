"""The scheduler: a free slot takes the next run at once, each run in a process group of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final

from optuna.trial import Trial

from lightning_bam.folder import RunFolder
from studies.devices import Slot
from studies.job import BUSY, Job, WandbMode
from studies.launch import start
from studies.ledger import Ledger
from studies.preflight import preflight
from studies.records import Record, gather
from studies.study import Cell, Study

ATTEMPTS: Final = 3
"""How often a run is started within one call before a machine that keeps losing it is taken for broken."""

PINNED: Final = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_TOP_PAD_": str(2**28)}
"""glibc keeps freed memory: without it page faults cost a third to a half of a small net's step on CPU (measured:
53 against 77 ms a step, small_resnet 32x32, batch 64, one thread of an EPYC, n=20 steps)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run what is missing: on which slots, with which tracking."""

    slots: Sequence[Slot]
    threads: int = 1
    wandb: WandbMode = "offline"
    retry_failed: bool = False


@dataclass
class Active:
    """A run in training."""

    cell: Cell
    trial: Trial
    folder: RunFolder
    process: ForkServerProcess
    slot: Slot
    started: float = field(default_factory=time.monotonic)
    seen: int = 0


@dataclass
class Progress:
    """What a view shows: the records at the start, what is running, what has ended since."""

    study: Study
    records: list[Record]
    slots: int
    pending: int = 0
    active: list[Active] = field(default_factory=list)
    finished: list[tuple[Cell, float]] = field(default_factory=list)
    failed: list[tuple[Cell, str]] = field(default_factory=list)
    elsewhere: int = 0
    seconds: list[float] = field(default_factory=list)


View = Callable[[Progress], None]


def wanted(records: Sequence[Record], retry_failed: bool) -> list[Record]:
    """Return the records that a run of the study has to train."""
    states = {"missing", "lost", "pruned"} | ({"failed"} if retry_failed else set())
    return [record for record in records if record.state in states]


def forkserver() -> ForkServerContext:
    """Return a context whose server has torch, Lightning and torchvision loaded; it starts with the first process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["studies.worker"])
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asking for GPUs must not open CUDA in the server
    for name, value in PINNED.items():
        os.environ.setdefault(name, value)
    return context


def run_study(study: Study, root: Path, options: Options, view: View) -> Progress:
    """Train what is missing of `study` under `root`, and say how it went; calling it again trains the rest.

    Args:
        study: what is wanted.
        root: the runs folder.
        options: where and how.
        view: called about five times a second, and at the end.

    Raises:
        FolderError: a folder that cannot be trusted, or a root that cannot be written.
        ConfigError: a row that cannot be trained so, found before anything is started.
        KeyboardInterrupt: interrupted; every process group has been ended, and the next call goes on.

    """
    records = gather(study, root)
    missing = wanted(records, options.retry_failed)
    ledger = Ledger(root, study)
    ledger.bring_up_to_date(records, missing)
    progress = Progress(study=study, records=records, slots=len(options.slots), pending=len(missing))
    if not missing:
        ledger.claim()  # tells the trials of runs that another study has trained
        view(progress)
        return progress
    context = forkserver()
    preflight(context, {record.row: record.run for record in missing}, options.slots[0].ranks)
    with termination_as_interrupt():
        try:
            Scheduler(root, options, ledger, context, progress, view).loop()
        finally:
            end_all(progress.active)
    view(progress)
    return progress


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that both end every group."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Scheduler:
    """The loop that keeps every slot busy until no enqueued run is left."""

    def __init__(
        self, root: Path, options: Options, ledger: Ledger, context: ForkServerContext, progress: Progress, view: View
    ) -> None:
        self.root = root
        self.options = options
        self.ledger = ledger
        self.context = context
        self.progress = progress
        self.view = view
        self.free = list(options.slots)
        self.attempts: dict[str, int] = {}

    def loop(self) -> None:
        """Start, watch and close runs until nothing is enqueued or running."""
        while True:
            while self.free and (claimed := self.ledger.claim()):
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
            study=self.progress.study.label,
            row=cell.row,
            slot=slot,
            threads=self.options.threads,
            wandb=self.options.wandb,
        )
        self.attempts[cell.run.key] = self.attempts.get(cell.run.key, 0) + 1
        process = start(self.context, job)
        self.progress.pending = max(0, self.progress.pending - 1)
        self.progress.active.append(Active(cell, trial, folder, process, slot))

    def _follow(self, active: Active) -> None:
        """Report the epochs that have come in."""
        for line in active.folder.metrics()[active.seen :]:
            active.trial.report(line["error_top1"], line["epoch"])
            active.seen += 1

    def _close(self, active: Active) -> None:
        """Tell how a group ended, and free its slot."""
        self.progress.active.remove(active)
        self.free.append(active.slot)
        result = active.folder.result()
        if result is not None:
            self.ledger.complete(active.trial, result.error_top1)
            self.progress.finished.append((active.cell, result.error_top1))
            self.progress.seconds.append(time.monotonic() - active.started)
            return
        self.ledger.fail(active.trial)
        if active.process.exitcode == BUSY:
            self.progress.elsewhere += 1
        elif active.folder.state() == "failed":
            self.progress.failed.append((active.cell, str(active.folder.manifest().get("error"))))
        elif self.attempts[active.cell.run.key] < ATTEMPTS:
            self.ledger.requeue(active.cell)
            self.progress.pending += 1
        else:
            lost = f"lost {ATTEMPTS} times: its process ended with code {active.process.exitcode}"
            self.progress.failed.append((active.cell, lost))


def end_all(active: Sequence[Active], patience: float = 10.0) -> None:
    """End process groups: ask, wait up to `patience` seconds, then kill; nothing is left alive."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for one in active:
            _signal_group(one.process, number)
        deadline = time.monotonic() + seconds
        for one in active:
            one.process.join(max(0.0, deadline - time.monotonic()))


def _signal_group(process: ForkServerProcess, number: int) -> None:
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
    if process.exitcode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
