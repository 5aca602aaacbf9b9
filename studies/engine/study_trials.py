"""A study as an Optuna study: each run is a trial, so that any Optuna tool can read what was trained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

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
from studies.records.records import Record
from studies.storage.optuna_storage import close_stale_trials, close_storage, open_storage, open_study
from studies.storage.postgres import GRACE, patiently


def settle_all(study: optuna.Study, root: Path, storage: object) -> None:
    """Close the trials that claim to be running while nobody trains their run; a finished run completes one trial.

    In PostgreSQL another host's trial is closed only where it sends no heartbeat. Of several trials of one run the last
    one's scheduler has had the run last; a dead scheduler has begun the others, and they gave nothing.
    """
    shared = isinstance(storage, RDBStorage)
    if shared:
        close_stale_trials(study)
    trials, here = study.get_trials(deepcopy=False), str(Place.of(root))
    done = {trial.user_attrs.get("key") for trial in trials if trial.state == TrialState.COMPLETE}
    for trial in reversed(trials):
        ours = trial.user_attrs.get("home") in (None, here)  # without one: its host died as it began the trial
        if trial.state == TrialState.RUNNING and (ours or not shared):
            settle(study, root, trial, done)


def settle(study: optuna.Study, root: Path, trial: FrozenTrial, done: set[str | None]) -> None:
    """Close a running trial unless somebody trains its run: with its figure, if there is one and no other trial has it.

    Args:
        study: whose trial.
        root: the runs folder.
        trial: a running one.
        done: the keys of the runs that have a complete trial; this one's is added where it is the one.

    """
    key, began = trial.user_attrs.get("key"), trial.datetime_start
    if "home" not in trial.user_attrs and began is not None and (datetime.now() - began).total_seconds() < GRACE:
        return  # its scheduler is about to say whose it is
    try:
        folder = RunFolder(inside(root, key or "none"))
    except FolderError:  # no name of a run: nobody trains it
        folder, key = RunFolder(root / "none"), None
    state, result = folder.state(), folder.result()
    with suppress(UpdateFinishedTrialError):  # its own scheduler was quicker
        if result is not None and key not in done:
            done.add(key)
            study.tell(trial.number, reported(folder.run(), result), skip_if_finished=True)
        elif result is not None or state != "running":
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


LOOK: Final = 2.0
"""Seconds between two looks at the runs that others train."""


class StudyTrials(Source):
    """The trials of one study, and the runs of it that are still to be claimed.

    The folders decide what is trained; the trials are written, and never read for that.

    Args:
        root: the runs folder; its journal file holds every study.
        study: the study.
        url: PostgreSQL instead of the journal.
        patient: wait for the runs that others train, and take over those that are interrupted.

    Raises:
        FolderError: the root cannot be written.
        StudyError: the database does not answer.

    """

    def __init__(self, root: Path, study: Study, url: str | None = None, *, patient: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.root = root
        self.label = study.label
        self.patient = patient
        self.again: dict[str, FailedAttempt] = {}
        self.wanted: list[Cell] = []
        self.others: list[Cell] = []
        self.looked = 0.0
        self.claims: dict[str, Lease] = {}
        factors = (*panel_names(study.rows, study.within), *study.scientific, "seed")
        self.distributions = distributions(factors, [cell.run for cell in study.runs()])
        self.metric = headline(next(iter(study.rows.values())))
        with ExitStack() as undo:  # a database may go away at any of these
            self.storage = open_storage(root, url)
            undo.callback(close_storage, self.storage)
            self.leases = Leases(root, url)
            undo.callback(self.leases.close)
            self.optuna = open_study(self.storage, study)
            self.number = self.storage.get_study_id_from_name(study.label)
            undo.pop_all()

    def bring_up_to_date(self, records: Sequence[Record]) -> None:
        """Make the trials agree with the folders.

        A trial that claims to be running while nobody trains its run was interrupted; a finished run that another study
        trained becomes a finished trial here.
        """
        with self.leases.exclusively():
            settle_all(self.optuna, self.root, self.storage)
            trials = self.optuna.get_trials(deepcopy=False)
            open_states = (TrialState.COMPLETE, TrialState.RUNNING)
            keys = {trial.user_attrs.get("key") for trial in trials if trial.state in open_states}
            for record in records:
                if record.result is not None and record.run.key not in keys:
                    trial = self.begin_trial(Cell(record.row, record.run))
                    report(trial, record.run, record.metrics)
                    self.complete(trial, reported(record.run, record.result))

    def retry(self, records: Sequence[Record]) -> None:
        """Take note of which attempts have failed by now: they are made again, and none that fails later is."""
        entries = patiently(self.leases.coordination.entries)
        self.again = failures(self.root, [record.run for record in records], entries)

    def want(self, records: Sequence[Record]) -> None:
        """Take note of what is to be trained, in this order."""
        self.wanted = [Cell(record.row, record.run) for record in records]

    def begin_trial(self, cell: Cell) -> Trial:
        """Begin the trial of a run, with the marks that say which run it is.

        In PostgreSQL its first heartbeat comes before it is marked as this runs folder's: by that mark other hosts
        leave a trial alone until its heartbeat stops, and one that has never begun never stops.
        """
        shared = isinstance(self.storage, RDBStorage)
        marks = {"key": cell.run.key, "row": cell.row} | ({} if shared else {"home": str(Place.of(self.root))})
        try:
            number = self._create_trial(cell, marks)
        except FolderError:
            raise
        except ValueError:  # in PostgreSQL: another process has just begun one whose parameters are of another kind
            number = self._create_trial(cell, marks)
        trial = patiently(lambda: Trial(self.optuna, number))
        patiently(lambda: self.send_heartbeat([trial]))
        if shared:
            patiently(lambda: trial.set_user_attr("home", str(Place.of(self.root))))
        return trial

    def _create_trial(self, cell: Cell, marks: dict[str, str]) -> int:
        """Write a new trial in one step; what kind its parameters are the first trial says that has them."""
        kinds: dict[str, BaseDistribution] = {}
        for trial in patiently(lambda: self.optuna.get_trials(deepcopy=False)):
            kinds = {**trial.distributions, **kinds}
        template = new_trial(parameters(cell.run, self.distributions), self.distributions, kinds, marks)
        return patiently(lambda: self.storage.create_new_trial(self.number, template))

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next wanted run that nobody has or has finished, or None where there is none."""
        while self.wanted:
            cell = self.wanted.pop(0)
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
        if not self.patient or not self.others:
            return False
        if time.monotonic() - self.looked > LOOK:
            self.looked = time.monotonic()
            entries = patiently(self.leases.coordination.entries)
            keys = ended(self.root, [cell.run for cell in self.others], entries)
            self.wanted += [cell for cell in self.others if cell.run.key not in keys]
            self.others = []
        return bool(self.wanted or self.others)

    def requeue(self, trial: TrialHandle, cell: Cell) -> None:
        """Close an interrupted run's trial and put the run back."""
        self.fail(trial)
        self.wanted.append(cell)

    def prune(self, trial: TrialHandle) -> bool:  # noqa: ARG002
        """Never: a table holds complete runs only."""
        return False

    def close(self) -> None:
        """Let go of a run whose trial could not be begun, and close the connections to the database."""
        for lease in self.claims.values():
            lease.let_go()
        self.claims.clear()
        super().close()


def report(trial: TrialHandle, run: Run, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Report each epoch's figure to a trial."""
    for line in metrics:
        figure = so_far(run, line)
        if figure is not None:
            patiently(partial(trial.report, figure, line["epoch"]))
