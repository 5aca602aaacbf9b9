"""A search: Optuna proposes configurations of a space and prunes them, on held-out data."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import Trial, TrialState

from lightning_bam.config import ConfigError, Run
from lightning_bam.folder import RunFolder
from studies.attempt import Attempt, SeedTrial, index_of
from studies.begun import check_same, directions
from studies.headline import headline, reported
from studies.leases import Lease, Leases
from studies.ledger import report
from studies.lost import Lost, ask_again, made, pruned_before
from studies.method import Method, label
from studies.owner import Owner
from studies.postgres import patiently
from studies.pruners import make_pruner
from studies.samplers import own_sampler, suggest
from studies.source import Source, home
from studies.space import Space
from studies.storage import open_storage
from studies.study import Cell


class Search(Source):
    """The trials of one search, as a source of runs for the scheduler; several processes may share a search.

    A failed trial says `why`; one that does not was lost with its process or its machine, does not count as made, and
    its configuration is asked for again.

    Args:
        root: the runs folder.
        space: what may be tried.
        method: how.
        url: PostgreSQL instead of the journal.
        storage: an Optuna storage instead of both.

    Raises:
        FolderError: the root cannot be written.
        StudyError: a method that does not go with the space, a search of that name over another space, or a database
            that does not answer.

    """

    def __init__(
        self, root: Path, space: Space, method: Method, url: str | None = None, storage: BaseStorage | None = None
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        method.check(space)
        self.root, self.space, self.method = root, space, method
        self.trials = method.trials_for(space)
        self.pruner = method.pruner_for(space)
        self.label = label(space, method)
        self.metric = headline(space.base)
        self.open: dict[int, Attempt] = {}
        self.refused: set[str] = set()
        self.storage = storage or open_storage(root, url)
        self.leases = Leases(root, url)
        self.owner = Owner(root)
        self.drawing = False
        self.asked: Trial | None = None
        with self.leases.exclusively():
            self.optuna = optuna.create_study(
                storage=self.storage,
                study_name=self.label,
                pruner=make_pruner(self.pruner, space.base.recipe.epochs),
                directions=directions(space, method),
                load_if_exists=True,
            )
            check_same(self.optuna, space)
            self.lost = Lost(self.optuna, root, self.owner.name, shared=isinstance(self.storage, RDBStorage))
            self.lost.asked_again()

    @property
    def left(self) -> int:
        """How many trials are still to be asked for; lost ones do not count as made."""
        return self.trials - sum(map(made, patiently(lambda: self.optuna.get_trials(deepcopy=False))))

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next seed of an open trial, or ask the sampler for another configuration.

        The seeds of one trial run one after another, so that some may be spared, until nothing else is left to do.
        """
        while True:
            for attempt in self.open.values():
                if taken := attempt.next(one_by_one=True):
                    return taken
            asked, self.asked = patiently(self._ask_alone), None
            if asked is None:
                waiting = (attempt.next(one_by_one=False) for attempt in self.open.values())
                return next(filter(None, waiting), None)
            self._begin(*asked)

    def _ask_alone(self) -> tuple[Trial, list[Cell]] | None:
        with self.leases.exclusively():
            self.beat(())  # who was stopped for a while is not dead
            return self._ask()

    def _ask(self) -> tuple[Trial, list[Cell]] | None:
        """Ask for a configuration, or go on with one asked for when a database went away; None where all are made."""
        while True:
            if self.asked is None and self.left <= 0 and not self.lost.asked_again():
                return None
            if not self.drawing:
                self.optuna.sampler = own_sampler(self.optuna, self.method.sampler, self.trials, self.method.seed)
                self.drawing = True
            trial = self.asked = self.asked or self.ask()
            trial.set_user_attr("owner", self.owner.name)
            trial.set_user_attr("home", home(self.root))
            try:
                run = self.space.run(self.space.draw(partial(suggest, trial)))
            except ConfigError as error:
                self._close(trial, TrialState.FAIL, str(error))
                self.asked = None
                continue
            trial.set_user_attr("key", run.key)
            seeds = range(run.seed, run.seed + self.method.seeds)
            return trial, [Cell(self.space.label(run), replace(run, seed=seed)) for seed in seeds]

    def _begin(self, trial: Trial, cells: list[Cell]) -> None:
        """Open a trial for its runs, or tell it at once where its configuration is known."""
        folders = [RunFolder.of(self.root, cell.run) for cell in cells]
        states = [folder.state() for folder in folders]
        mine = {cell.run.key for other in self.open.values() for cell in other.cells}
        attempt = Attempt(trial, cells, by_epoch=self.pruner not in ("none", "wilcoxon"))
        self.open[trial.number] = attempt
        attempt.waiting = [index for index, state in enumerate(states) if state != "complete"]
        for index, (cell, folder) in enumerate(zip(cells, folders, strict=True)):
            result = folder.result()
            if result is not None and trial.number in self.open:
                report(attempt.handle(index), cell.run, folder.metrics())
                self._take(attempt, index, reported(cell.run, result))
        if trial.number not in self.open:
            return
        if "failed" in states:
            self._close(trial, TrialState.FAIL, "this configuration has failed before")
        elif "running" in states or any(cell.run.key in mine for cell in cells):
            self._close(trial, TrialState.FAIL, "this configuration is being tried already")
        elif "pruned" in states and self.pruner != "none" and pruned_before(self.optuna, cells[0].run.key):
            report(attempt.handle(0), cells[0].run, folders[0].metrics())
            self._close(trial, TrialState.PRUNED, "this configuration has been pruned before")

    def requeue(self, trial: Trial, cell: Cell) -> None:  # noqa: ARG002
        """Put a lost run back; its trial goes on where the run does."""
        if (attempt := self.open.get(trial.number)) is not None:
            attempt.put_back(index_of(trial))

    def complete(self, trial: Trial, error: float) -> None:
        """Take the figure of one run, in percent; after the last seed's the trial is told their mean."""
        if (attempt := self.open.get(trial.number)) is not None:
            self._take(attempt, index_of(trial), error)

    def _take(self, attempt: Attempt, index: int, figure: float) -> None:
        attempt.running.discard(index)
        attempt.figures[index] = figure
        objectives = len(self.optuna.directions)
        over_seeds = len(attempt.cells) > 1 and not attempt.by_epoch and objectives == 1
        with suppress(UpdateFinishedTrialError):  # closed by another process, which took this one for dead
            if over_seeds:
                patiently(lambda: attempt.trial.report(figure, index))
            if attempt.over:
                self.open.pop(attempt.trial.number, None)
                values = attempt.values(self.root, objectives)
                patiently(lambda: self.optuna.tell(attempt.trial, values, skip_if_finished=True))
            elif over_seeds and patiently(attempt.trial.should_prune):
                self._close(attempt.trial, TrialState.PRUNED)

    def lease(self, run: Run) -> Lease | None:
        """Return the lease of a claimed run, or None where somebody else has it."""
        lease = super().lease(run)
        if lease is None:
            self.refused.add(run.key)
        return lease

    def fail(self, trial: Trial) -> None:
        """Close a trial whose run has failed or is another's; any other run was lost, and is asked for again."""
        attempt = self.open.get(trial.number)
        if attempt is None:
            return
        run = attempt.cells[index_of(trial)].run
        if RunFolder.of(self.root, run).state() == "failed":
            self._close(trial, TrialState.FAIL, "its run failed")
        elif run.key in self.refused:
            self._close(trial, TrialState.FAIL, "its run is another's")
        else:
            patiently(lambda: self._again(trial))

    def _again(self, trial: Trial) -> None:
        with self.leases.exclusively():
            self._close(trial, TrialState.FAIL)
            ask_again(self.optuna, trial.number, trial.params)

    def prune(self, trial: Trial) -> bool:
        """Say whether a run should stop: its trial has been closed, or the pruner says so at the last epoch.

        A run that has finished before its epochs were seen is let be: nothing is left to be spared.
        """
        attempt = self.open.get(trial.number)
        if attempt is None:
            return True
        if not isinstance(trial, SeedTrial) or trial.heard is None:
            return False
        with suppress(UpdateFinishedTrialError):
            done = RunFolder.of(self.root, attempt.cells[trial.index].run).state() == "complete"
            if patiently(trial.should_prune) and not done:
                self._close(trial, TrialState.PRUNED)
        return trial.number not in self.open

    def _close(self, trial: Trial, state: TrialState, why: str = "") -> None:
        self.open.pop(trial.number, None)
        with suppress(UpdateFinishedTrialError):
            if why:
                patiently(lambda: trial.set_user_attr("why", why))
            patiently(lambda: self.optuna.tell(trial, state=state, skip_if_finished=True))

    def beat(self, trials: Iterable[Trial]) -> None:
        """Show life for every open trial, whether or not one of its runs is running right now."""
        super().beat([*trials, *(attempt.trial for attempt in self.open.values())])
