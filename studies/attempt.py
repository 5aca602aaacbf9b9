"""One configuration of a search while it is tried: a run for each seed, one Optuna trial for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from optuna.trial import Trial

from lightning_bam.run_folder.folder import RunFolder
from studies.definition.study import Cell


class SeedTrial(Trial):
    """An asked trial as the scheduler holds it for one of its runs: it passes on those epochs that Optuna should hear.

    Args:
        trial: what was asked.
        index: which of the trial's seeds this run has, from 0.
        heard: the epochs that Optuna has heard of, shared by all who go on with the run; None where it hears of none.

    """

    def __init__(self, trial: Trial, index: int, heard: set[int] | None) -> None:
        self.__dict__.update(trial.__dict__)
        self.index = index
        self.heard = heard

    def report(self, value: float, step: int) -> None:
        """Report an epoch's figure, once."""
        if self.heard is not None and step not in self.heard:
            super().report(value, step)
            self.heard.add(step)  # not before: a database that was away is told again


@dataclass
class Attempt:
    """A trial that has been asked and not told: what is still to run, what runs, and the figures so far.

    Args:
        trial: the trial.
        cells: a run for each seed.
        by_epoch: whether Optuna hears of the first run's epochs.

    """

    trial: Trial
    cells: list[Cell]
    by_epoch: bool
    waiting: list[int] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    figures: dict[int, float] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)

    def next(self, *, one_by_one: bool) -> tuple[Trial, Cell] | None:
        """Take the run of the next seed; with `one_by_one` only when none is running, so that it may be spared."""
        if not self.waiting or (one_by_one and self.running):
            return None
        index = self.waiting.pop(0)
        self.running.add(index)
        return self.handle(index), self.cells[index]

    def handle(self, index: int) -> SeedTrial:
        """Return the trial as the scheduler holds it for one seed."""
        return SeedTrial(self.trial, index, self.heard if self.by_epoch and index == 0 else None)

    def put_back(self, index: int) -> None:
        """Put a lost run first among those to be started; what Optuna has heard of it stays."""
        self.running.discard(index)
        self.waiting.insert(0, index)

    @property
    def over(self) -> bool:
        """Whether every seed has its figure."""
        return len(self.figures) == len(self.cells)

    def values(self, root: Path, objectives: int) -> float | list[float]:
        """Return what the trial is told: the mean over the seeds, in percent, and as a second objective the MACs.

        Those are what `lightning_bam.network` counts, read from the first run's result.
        """
        figure = fmean(self.figures.values())
        if objectives == 1:
            return figure
        result = RunFolder.of(root, self.cells[0].run).result()
        assert result is not None
        return [figure, float(result.macs)]


def index_of(trial: Trial) -> int:
    """Return which of its trial's seeds a run has."""
    return trial.index if isinstance(trial, SeedTrial) else 0
