"""Progress as a person reads it: a live table in a terminal, a line a run elsewhere; both on stderr."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from statistics import fmean
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import headline
from studies.definition.study import Cell
from studies.engine.source import TrialHandle
from studies.job.devices import Slot
from studies.records.records import Record
from studies.terminal.console import Console
from studies.terminal.text import one_line, visible_streams


@dataclass
class Active:
    """A run in training."""

    cell: Cell
    trial: TrialHandle
    folder: RunFolder
    process: ForkServerProcess
    slot: Slot
    started: float = field(default_factory=time.monotonic)
    seen: int = 0
    last_error: float | None = None
    pruned: bool = False
    taken_over: bool = False


@dataclass
class Progress:
    """What a view shows: what was finished at the start, what is running, what has ended since.

    `records` are those of a study's runs, as they were read last: at the start, and at the end.
    """

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


class LiveView:
    """Shows the progress of a scheduler; use it as a context, and call it with the progress.

    Args:
        console: where to show it; a live table if it is a terminal.

    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.started = time.monotonic()
        self.live = Live(console=self.console, transient=True, auto_refresh=False) if self.console.is_terminal else None
        self.streams = ExitStack()
        self.told = 0
        self.told_failed = 0

    def __enter__(self) -> LiveView:
        if self.live:
            self.live.start()
            self.streams.enter_context(visible_streams())  # what others print meanwhile goes through it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.streams.close()
        if self.live:
            self.live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show `progress`."""
        for cell, error in progress.finished[self.told :]:
            self.told += 1
            line = (
                f"{done(progress)}/{progress.total}  {cell.row} seed {cell.run.seed}: {short(cell.run)} {error:.2f} %"
            )
            self.console.print(Text(one_line(f"{line}  ({remaining(progress)})")), soft_wrap=True)
        for cell, reason in progress.failed[self.told_failed :]:
            self.told_failed += 1
            line = one_line(f"failed: {cell.row} seed {cell.run.seed}: {reason}")
            self.console.print(Text(line, "red"), soft_wrap=True)
        if self.live:
            self.live.update(render(progress, time.monotonic() - self.started), refresh=True)


def done(progress: Progress) -> int:
    """Return how many of the wanted runs are finished."""
    return len(progress.before) + len(progress.finished)


def remaining(progress: Progress) -> str:
    """Return an estimate of the time left, from the runs that this call has finished."""
    left = progress.pending + len(progress.active)
    if not left:
        return "all done"
    if not progress.seconds:
        return "estimating"
    rounds = max(1.0, left / progress.slots)
    return f"about {clock(rounds * fmean(progress.seconds))} left"


def best(progress: Progress) -> str:
    """Return the row with the best mean so far, with its number of seeds."""
    rows: dict[str, list[float]] = defaultdict(list)
    for cell, error in (*progress.before, *progress.finished):
        rows[cell.row].append(error)
    if not rows:
        return "no run finished yet"
    sign = -1 if any(headline(cell.run).higher_is_better for cell, _ in (*progress.before, *progress.finished)) else 1
    row = min(rows, key=lambda name: sign * fmean(rows[name]))
    return f"best so far: {row} {fmean(rows[row]):.2f} % ({len(rows[row])})"


def short(run: Run) -> str:
    """Return what a run's figure is called in a line."""
    return "mAP" if run.detects else "error"


def clock(seconds: float) -> str:
    """Return a duration as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def render(progress: Progress, elapsed: float) -> Group:
    """Return the live table: what is running, and how far the whole is."""
    table = Table(title=progress.title, title_justify="left", expand=False)
    for name in ("row", "seed", "epoch", "", "error %", "time"):
        table.add_column(name, justify="left" if name in ("row", "") else "right")
    for active in progress.active:
        epochs, metrics = active.cell.run.recipe.epochs, active.last_error
        table.add_row(
            active.cell.row,
            str(active.cell.run.seed),
            f"{active.seen}/{epochs}",
            ProgressBar(total=epochs, completed=active.seen, width=24),
            "" if metrics is None else f"{metrics:.2f}",
            clock(time.monotonic() - active.started),
        )
    parts = [
        f"{done(progress)}/{progress.total} done",
        f"{len(progress.active)} running",
        f"{progress.pending} to come",
    ]
    parts += [f"{len(progress.failed)} failed"] if progress.failed else []
    parts += [f"{len(progress.pruned)} pruned"] if progress.pruned else []
    parts += [clock(elapsed), remaining(progress), best(progress)]
    return Group(table, Text(" · ".join(parts)))
