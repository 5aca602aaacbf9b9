"""A study as an Optuna study: each run is a trial, so that any Optuna tool can read what was trained."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError, inside
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import headline, reported, so_far
from studies.coordination.leases import Lease, Leases
from studies.coordination.location import Place
from studies.coordination.retries import FailedAttempt, ended, failures
from studies.definition.panels import panel_names
from studies.definition.study import Cell, Study
from studies.engine.source import Source, TrialHandle
from studies.engine.trial_params import distributions, new_trial, parameters
from studies.job.job import About
from studies.records.purpose import asked_by, judged_by
from studies.records.records import Record
from studies.storage.optuna_storage import close_stale_trials, open_storage, open_study
from studies.storage.postgres import GRACE, with_retries

POLL: Final = 2.0
"""Seconds between two questions after the runs that others train."""


class StudyTrials(Source):
    """The trials of one study, and the runs of it that are still to be claimed.

    The folders decide what is trained, never the trials, which are in the journal of `root`, or in the database at
    `url`. With `wait_for_others` the runs of others are waited for, and taken over where they are interrupted.
    """

    def __init__(self, root: Path, study: Study, url: str | None = None, *, wait_for_others: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.root = root
        self.label = study.label
        self.judged_by = {**judged_by(study), **asked_by(study)}
        self.about = About.of(study)
        self.wait_for_others = wait_for_others
        self.again: dict[str, FailedAttempt] = {}
        self.queue: list[Cell] = []
        self.others: list[Cell] = []
        self.last_poll = 0.0
        self.claims: dict[str, Lease] = {}
        factors = (*panel_names(study.rows, study.within), *study.scientific, "seed")
        self.distributions = distributions(factors, [cell.run for cell in study.runs()])
        self.metric = headline(next(iter(study.rows.values())))
        self.storage = open_storage(root, url)
        self.leases = Leases(root, url)
        self.study = study

    @cached_property
    def optuna(self) -> optuna.Study:  # type: ignore[override]
        """The Optuna study, registered when it is first asked for: no earlier than the data of the runs was checked."""
        return open_study(self.storage, self.study)

    @cached_property
    def number(self) -> int:
        """The number of the Optuna study in its storage."""
        return self.storage.get_study_id_from_name(self.optuna.study_name)

    def bring_up_to_date(self, records: Sequence[Record]) -> None:
        """Close interrupted trials, and give each finished run a complete one, whichever study has trained it."""
        with self.leases.exclusively():
            self._close_interrupted()
            open_states = (TrialState.COMPLETE, TrialState.RUNNING)
            trials = self.optuna.get_trials(deepcopy=False, states=open_states)
            keys = {trial.user_attrs.get("key") for trial in trials}
            for record in records:
                if record.result is not None and record.run.key not in keys:
                    figures = {line["epoch"]: so_far(record.run, line) for line in record.metrics}
                    self._create_trial(
                        Cell(record.row, record.run),
                        home=True,
                        state=TrialState.COMPLETE,
                        value=reported(record.run, record.result),
                        intermediate_values={epoch: value for epoch, value in figures.items() if value is not None},
                    )

    def _close_interrupted(self) -> None:
        """Fail the trials whose run nobody trains; another host's in PostgreSQL where it sends no heartbeat."""
        shared = isinstance(self.storage, RDBStorage)
        if shared:
            close_stale_trials(self.optuna)
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            home, begin = trial.user_attrs.get("home"), trial.datetime_start
            if home is None and begin is not None and (datetime.now() - begin).total_seconds() < GRACE:
                continue  # its scheduler is about to say whose it is; without a home it died before
            if shared and home not in (None, str(Place.of(self.root))):
                continue
            with suppress(FolderError):  # no name of a run: nobody trains it
                if RunFolder(inside(self.root, str(trial.user_attrs.get("key")))).state() == "running":
                    continue
            self.fail(trial)

    def retry(self, records: Sequence[Record]) -> None:
        """Retry the attempts that have failed by now, and none that fails later."""
        entries = with_retries(self.leases.coordination.entries)
        self.again = failures(self.root, [record.run for record in records], entries)

    def enqueue(self, records: Sequence[Record]) -> None:
        """Take note of what is to be trained, in this order."""
        self.queue = [Cell(record.row, record.run) for record in records]

    def begin_trial(self, cell: Cell) -> Trial:
        """Begin the trial of a run.

        In PostgreSQL its first heartbeat comes before `home`, by which other hosts leave a trial alone until its
        heartbeat stops: one that has never begun never stops.
        """
        shared = isinstance(self.storage, RDBStorage)
        number = self._create_trial(cell, home=not shared, state=TrialState.RUNNING)
        trial = with_retries(lambda: Trial(self.optuna, number))
        with_retries(lambda: self.send_heartbeat([trial]))
        if shared:
            with_retries(lambda: trial.set_user_attr("home", str(Place.of(self.root))))
        return trial

    def _create_trial(self, cell: Cell, *, home: bool, **outcome: Any) -> int:
        """Write a new trial in one step and return its number; its parameters are of the kinds that the study has."""
        marks = {"key": cell.run.key, "row": cell.row} | ({"home": str(Place.of(self.root))} if home else {})

        def create() -> int:
            kinds: dict[str, BaseDistribution] = {}
            for trial in self.optuna.get_trials(deepcopy=False):
                kinds = {**trial.distributions, **kinds}
            values = parameters(cell.run, self.distributions)
            return self.storage.create_new_trial(
                self.number, new_trial(values, self.distributions, kinds, marks, **outcome)
            )

        try:
            return with_retries(create)
        except FolderError:
            raise
        except ValueError:  # in PostgreSQL: another process has just begun one with parameters of another kind
            return with_retries(create)

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next run of the queue that nobody has or has finished, or None where there is none."""
        while self.queue:
            cell = self.queue.pop(0)
            lease = self.leases.take(cell.run, again=self.again.get(cell.run.key))
            if lease is None:
                self.others.append(cell)
                continue
            self.claims[cell.run.key] = lease
            return self.begin_trial(cell), cell
        return None

    def lease(self, run: Run) -> Lease | None:
        """Return the lease that was taken when the run was claimed."""
        return self.claims.pop(run.key)

    def waits(self) -> bool:
        """Say whether others still train runs of this study; those whose training was interrupted are wanted again."""
        if not self.wait_for_others or not self.others:
            return False
        if time.monotonic() - self.last_poll > POLL:
            self.last_poll = time.monotonic()
            entries = with_retries(self.leases.coordination.entries)
            keys = ended(self.root, [cell.run for cell in self.others], entries)
            self.queue += [cell for cell in self.others if cell.run.key not in keys]
            self.others = []
        return bool(self.queue or self.others)

    def requeue(self, trial: TrialHandle, cell: Cell) -> None:
        """Close an interrupted run's trial and put the run back."""
        self.fail(trial)
        self.queue.append(cell)

    def prune(self, trial: TrialHandle) -> bool:  # noqa: ARG002
        """Never: a table holds complete runs only."""
        return False

    def close(self) -> None:
        """Let go of a run whose trial could not be begun, and close the connections to the database."""
        for lease in self.claims.values():
            lease.let_go()
        self.claims.clear()
        super().close()
