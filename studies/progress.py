"""What a view is shown while runs are trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess

from optuna.trial import Trial

from lightning_bam.run_folder.folder import RunFolder
from studies.definition.study import Cell
from studies.job.devices import Slot


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
    last_error: float | None = None
    pruned: bool = False
    taken_over: bool = False


@dataclass
class Progress:
    """What a view shows: what was finished at the start, what is running, what has ended since."""

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


View = Callable[[Progress], None]
