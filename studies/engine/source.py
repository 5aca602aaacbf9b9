"""Where the scheduler gets its runs from and tells how they went: a study's trials, or a search."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import Trial, TrialState

from lightning_bam.config import Run
from lightning_bam.run_folder.result import reported, so_far
from studies.coordination.leases import Lease, Leases
from studies.definition.study import Cell
from studies.job.job import About
from studies.job.observer import End
from studies.storage.optuna_storage import close_storage, quiet_heartbeat
from studies.storage.postgres import with_retries


class TrialHandle(Protocol):
    """An Optuna trial as far as the scheduler uses it."""

    @property
    def number(self) -> int:
        """Its number in the study."""

    def report(self, value: float, step: int) -> None:
        """Report the figure of an epoch."""


class Source(ABC):
    """Runs to be trained, each an Optuna trial of the study `optuna`, which is called `label`.

    `judged_by` is what manifests keep of how the study judges and was asked (`records.purpose`); a search has nothing.
    `about` is what W&B shows beside its runs.
    """

    root: Path
    label: str
    judged_by: Mapping[str, str] = {}
    about: About = About()
    leases: Leases
    storage: BaseStorage
    optuna: optuna.Study

    @abstractmethod
    def claim(self) -> tuple[TrialHandle, Cell] | None:
        """Take the next run, or None where there is none right now."""

    @abstractmethod
    def requeue(self, trial: TrialHandle, cell: Cell) -> None:
        """Close an interrupted run's trial and put the run back."""

    @abstractmethod
    def prune(self, trial: TrialHandle) -> bool:
        """Say whether a running trial should be stopped, given the epochs that it has reported."""

    def lease(self, run: Run) -> Lease | None:
        """Return the lease of a claimed run, or None where somebody else has it."""
        return self.leases.take(run)

    def waits(self) -> bool:
        """Say whether runs that others train may still come back, so that it is too early to leave."""
        return False

    def complete(self, trial: TrialHandle, error: float) -> None:
        """Tell a finished run's figure, in percent; a trial that another one has closed meanwhile stays closed."""
        self._tell(trial, TrialState.COMPLETE, error)

    def fail(self, trial: TrialHandle) -> None:
        """Close a trial that gave nothing."""
        self._tell(trial, TrialState.FAIL)

    def _tell(self, trial: TrialHandle, state: TrialState, value: float | None = None) -> None:
        with suppress(UpdateFinishedTrialError):  # closed between Optuna's look and its word
            with_retries(lambda: self.optuna.tell(trial.number, value, state=state, skip_if_finished=True))

    def ask(self) -> Trial:
        """Ask Optuna for a trial, and send its first heartbeat."""
        with quiet_heartbeat():
            trial = with_retries(self.optuna.ask)
        self.send_heartbeat([trial])
        return trial

    def leave(self, trial: TrialHandle, cell: Cell) -> None:  # noqa: ARG002
        """Close the trial of a run that somebody else trains."""
        self.fail(trial)

    def report(self, trial: TrialHandle, figure: float, epoch: int) -> None:
        """Tell a running trial's figure after an epoch, unless another scheduler has taken it for interrupted."""
        with suppress(UpdateFinishedTrialError):
            with_retries(lambda: trial.report(figure, epoch))

    def send_heartbeat(self, trials: Iterable[TrialHandle]) -> None:
        """Send a heartbeat for running trials, where the storage asks for it."""
        if isinstance(self.storage, RDBStorage):
            study = self.storage.get_study_id_from_name(self.label)
            for trial in trials:
                number = self.storage.get_trial_id_from_study_id_trial_number(study, trial.number)
                self.storage.record_heartbeat(number)

    def close(self) -> None:
        """Close the connections to the database, if there are any."""
        self.leases.close()
        close_storage(self.storage)


@dataclass
class TrialObserver:
    """The trial of one run as an observer: its source has begun it, and hears of its epochs and its end."""

    source: Source
    trial: TrialHandle
    cell: Cell

    def start(self) -> None:
        """Do nothing: the trial was begun when the run was claimed."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Report the epoch's figure, where it was scored."""
        figure = so_far(self.cell.run, line)
        if figure is not None:
            self.source.report(self.trial, figure, line["epoch"])

    def end(self, end: End) -> None:
        """Close the trial: with the figure, where its own process group has brought it to its end."""
        if end.result is not None and end.code == 0:
            self.source.complete(self.trial, reported(self.cell.run, end.result))
        elif end.state == "running" and not end.again:
            self.source.leave(self.trial, self.cell)
        elif not end.again:  # else `requeue` says whether it goes on
            self.source.fail(self.trial)
