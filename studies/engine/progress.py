"""Progress as a person reads it: a live table in a terminal, a line a run elsewhere; both on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from statistics import fmean
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightning_bam.run_folder.folder import RunFolder, Within
from lightning_bam.run_folder.result import headline, reported, so_far
from studies.definition.study import Cell
from studies.engine.source import TrialHandle
from studies.job.devices import Slot
from studies.job.observer import End, Observer
from studies.records.records import Record
from studies.terminal.console import Console
from studies.terminal.text import one_line, visible_streams


@dataclass(eq=False)
class Active:
    """A run in training; `epochs` is how many the observers have heard of, `within` how far it is in the next.

    `begun` is when this attempt was first seen to train, and how many epochs, with a fraction, were trained by then.
    """

    cell: Cell
    trial: TrialHandle
    folder: RunFolder
    process: ForkServerProcess
    slot: Slot
    started: float = field(default_factory=time.monotonic)
    epochs: int = 0
    figure: float | None = None
    within: Within | None = None
    begun: tuple[float, float] | None = None
    pruned: bool = False
    observers: list[Observer] = field(default_factory=list)

    @property
    def trained(self) -> float:
        """Epochs that are trained, with a fraction for the one under way."""
        within = self.within if self.within is not None and self.within.epoch == self.epochs else None
        return self.epochs + (within.batches / within.of if within is not None and within.of else 0.0)

    def look(self) -> None:
        """Read how far the epoch is."""
        self.within = self.folder.within()
        if self.begun is None and (self.within is not None or self.epochs):
            self.begun = time.monotonic(), self.trained

    @property
    def left(self) -> float | None:
        """Seconds until it has trained all its epochs, at its pace so far; None before that is known."""
        if self.begun is None or (done := self.trained - self.begun[1]) <= 0:
            return None
        return (time.monotonic() - self.begun[0]) * (self.cell.run.recipe.epochs - self.trained) / done


@dataclass
class Progress:
    """What a view shows: what was finished `before`, what is running, what has ended since; `records` as last read."""

    title: str
    total: int
    slots: int
    before: list[tuple[Cell, float]] = field(default_factory=list)
    pending: int = 0
    active: list[Active] = field(default_factory=list)
    finished: list[tuple[Cell, float]] = field(default_factory=list)
    failed: list[tuple[Cell, str]] = field(default_factory=list)
    pruned: list[Cell] = field(default_factory=list)
    halted: str | None = None
    seconds: list[float] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


View = Callable[[Progress], None]


@dataclass
class RunProgress:
    """The progress as an observer of one run."""

    progress: Progress
    active: Active

    def start(self) -> None:
        """Show the run as active."""
        self.progress.pending = max(0, self.progress.pending - 1)
        self.progress.active.append(self.active)

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Show the epoch's figure, where it was scored."""
        figure = so_far(self.active.cell.run, line)
        self.active.figure = self.active.figure if figure is None else figure

    def end(self, end: End) -> None:
        """Count the run among those that have ended, or are to come."""
        progress, cell = self.progress, self.active.cell
        progress.active.remove(self.active)
        if end.result is not None:
            progress.finished.append((cell, reported(cell.run, end.result)))
            progress.seconds.append(time.monotonic() - self.active.started)
        elif end.state == "pruned":
            progress.pruned.append(cell)
        elif end.state == "failed":
            progress.failed.append((cell, end.error))
        elif end.again:
            progress.pending += 1


class LiveView:
    """Shows the progress of a scheduler on a console, live if that is a terminal; use it as a context, and call it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.started = time.monotonic()
        self.live = Live(console=self.console, transient=True, auto_refresh=False) if self.console.is_terminal else None
        self.streams = ExitStack()
        self.finished = 0
        self.failed = 0

    def __enter__(self) -> LiveView:
        if self.live:
            self.live.start()
            self.live.update(Text("loading torch, and checking each row"), refresh=True)  # some seconds in the workers
            self.streams.enter_context(visible_streams())  # what others print meanwhile goes through it
        return self

    def __exit__(self, *_error: object) -> None:
        self.streams.close()
        if self.live:
            self.live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show `progress`."""
        counted = len(progress.before) + self.finished
        for count, (cell, figure) in enumerate(progress.finished[self.finished :], counted + 1):
            metric = headline(cell.run)
            line = f"{count}/{progress.total}  {cell.row} seed {cell.run.seed}: "
            line += f"{metric.short} {figure:.2f}{metric.sign}"
            self.console.print(Text(one_line(f"{line}  ({remaining(progress)})")), soft_wrap=True)
        for cell, reason in progress.failed[self.failed :]:
            line = one_line(f"failed: {cell.row} seed {cell.run.seed}: {reason}")
            self.console.print(Text(line, "red"), soft_wrap=True)
        self.finished, self.failed = len(progress.finished), len(progress.failed)
        if self.live:
            self.live.update(render(progress, time.monotonic() - self.started), refresh=True)


def done(progress: Progress) -> int:
    """Return how many of the wanted runs are finished."""
    return len(progress.before) + len(progress.finished)


def remaining(progress: Progress) -> str:
    """Return an estimate of the time left: from the runs that this call has finished, and the pace of the others."""
    runs = progress.pending + len(progress.active)
    if not runs:
        return "all done"
    now = time.monotonic()
    seen = [now - active.started + active.left for active in progress.active if active.left is not None]
    if not progress.seconds and not seen:
        return "estimating"
    usual = fmean(progress.seconds or seen)
    guesses = [(active.left, max(0.0, usual - (now - active.started))) for active in progress.active]
    rest = [guess if left is None else left for left, guess in guesses]
    least = usual if progress.pending else max(rest)
    return f"about {clock(max(least, (progress.pending * usual + sum(rest)) / progress.slots))} left"


def clock(seconds: float) -> str:
    """Return a duration as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def render(progress: Progress, elapsed: float) -> Group:
    """Return the live table: what is running, and how far the whole is."""
    table = Table(title=progress.title, title_justify="left", expand=False)
    for name in ("row", "seed", "epoch", "", "error %", "images/s", "time", "left"):
        table.add_column(name, justify="left" if name in ("row", "") else "right")
    for active in progress.active:
        epochs = active.cell.run.recipe.epochs
        table.add_row(
            active.cell.row,
            str(active.cell.run.seed),
            f"{active.epochs}/{epochs}",
            ProgressBar(total=epochs, completed=active.trained, width=24),
            "" if active.figure is None else f"{active.figure:.2f}",
            "" if active.within is None else f"{active.within.images_per_s:,.0f}",
            clock(time.monotonic() - active.started),
            "" if active.left is None else clock(active.left),
        )
    parts = [
        f"{done(progress)}/{progress.total} done",
        f"{len(progress.active)} running",
        f"{progress.pending} to come",
    ]
    parts += [f"{len(progress.failed)} failed"] if progress.failed else []
    parts += [f"{len(progress.pruned)} pruned"] if progress.pruned else []
    parts += [clock(elapsed), remaining(progress)]
    return Group(table, Text(" · ".join(parts)))
