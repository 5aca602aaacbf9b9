"""Where the scheduler gets its runs from and tells how they went: a study's ledger, or a search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import Trial, TrialState

from lightning_bam.config import Run
from studies.coordination.leases import Lease, Leases
from studies.definition.study import Cell
from studies.storage.optuna_storage import close_storage, quiet_heartbeat
from studies.storage.postgres import patiently


class Source(ABC):
    """Runs to be trained, each an Optuna trial.

    Attributes:
        root: the runs folder.
        label: of the study or search.
        leases: who may train which run.
        storage: where Optuna keeps the trials.
        optuna: the study they belong to.

    """

    root: Path
    label: str
    leases: Leases
    storage: BaseStorage
    optuna: optuna.Study

    @abstractmethod
    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next run, or None where there is none right now."""

    @abstractmethod
    def requeue(self, trial: Trial, cell: Cell) -> None:
        """Close an interrupted run's trial and put the run back."""

    @abstractmethod
    def prune(self, trial: Trial) -> bool:
        """Say whether a running trial should be stopped, given the epochs that it has reported."""

    def lease(self, run: Run) -> Lease | None:
        """Return the lease of a claimed run, or None where somebody else has it."""
        return self.leases.take(run)

    def waits(self) -> bool:
        """Say whether runs that others train may still come back, so that it is too early to leave."""
        return False

    def complete(self, trial: Trial, error: float) -> None:
        """Tell a finished run's figure, in percent; a trial that another one has closed meanwhile stays closed."""
        with suppress(UpdateFinishedTrialError):  # closed between Optuna's look and its word
            patiently(lambda: self.optuna.tell(trial, error, skip_if_finished=True))

    def fail(self, trial: Trial) -> None:
        """Close a trial that gave nothing."""
        with suppress(UpdateFinishedTrialError):
            patiently(lambda: self.optuna.tell(trial, state=TrialState.FAIL, skip_if_finished=True))

    def ask(self) -> Trial:
        """Ask Optuna for a trial, and show its first sign of life."""
        with quiet_heartbeat():
            trial = patiently(self.optuna.ask)
        self.beat([trial])
        return trial

    def leave(self, trial: Trial, cell: Cell) -> None:  # noqa: ARG002
        """Close the trial of a run that somebody else trains."""
        self.fail(trial)

    def report(self, trial: Trial, figure: float, epoch: int) -> None:
        """Tell a running trial's figure after an epoch, unless another scheduler has taken it for interrupted."""
        with suppress(UpdateFinishedTrialError):
            patiently(lambda: trial.report(figure, epoch))

    def beat(self, trials: Iterable[Trial]) -> None:
        """Show life for running trials, where the storage asks for it."""
        if isinstance(self.storage, RDBStorage):
            for trial in trials:
                self.storage.record_heartbeat(trial._trial_id)  # Optuna has no public name for it

    def close(self) -> None:
        """Close the connections to the database, if there are any."""
        self.leases.close()
        close_storage(self.storage)
