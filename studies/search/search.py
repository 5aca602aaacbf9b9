"""A search: Optuna proposes configurations of a space and prunes them, on held-out data."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import Trial, TrialState

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import headline, reported
from studies.coordination.leases import Leases
from studies.coordination.process_lock import ProcessLock
from studies.coordination.retries import begin_contradictions_anew, failures
from studies.definition.study import Cell
from studies.engine.study_trials import report
from studies.errors import StudyError
from studies.search.choices import Integer, Real
from studies.search.method import Method, label
from studies.search.open_trials import Attempt, OpenTrials, SeedTrial
from studies.search.proposals import LOOK, Proposals
from studies.search.pruners import make_pruner
from studies.search.space import Space
from studies.search.trials import FAILED_BEFORE, TRIED_ALREADY, requeue_failed
from studies.storage.optuna_storage import open_storage
from studies.storage.postgres import with_retries

OTHER: Final = "give the space another name, or use another --root"
DYING: Final = 30.0
"""Seconds that the run of an interrupted trial is given to die."""


def directions(space: Space, method: Method) -> list[Literal["minimize", "maximize"]]:
    """Return which way is better for each objective: the held-out figure, and with `nsga2` the MACs."""
    first: Literal["minimize", "maximize"] = "maximize" if headline(space.base).higher_is_better else "minimize"
    return [first, "minimize"] if method.sampler == "nsga2" else [first]


def check_same(study: optuna.Study, space: Space, method: Method) -> None:
    """Write down what is searched; a StudyError where it was begun over another space, or that meant other runs."""
    texts = {
        name: repr(choice) if isinstance(choice, Integer | Real) else ", ".join(choice)
        for name, choice in space.choices.items()
    }
    searched = {"base": space.base.key} | texts
    before = study.user_attrs.get("searched")
    ways, wanted = [way.name.lower() for way in study.directions], directions(space, method)
    if ways != wanted:
        difference = f"was begun to {' and '.join(ways)}, not to {' and '.join(wanted)}"
        raise StudyError(f"{study.study_name}: {difference}; {OTHER}")
    if before is None:
        study.set_user_attr("objective", f"held-out {headline(space.base).name} in percent")
        study.set_user_attr("question", space.question)
        study.set_user_attr("searched", searched)
        return
    for name in {**before, **searched}:
        then, now = before.get(name), searched.get(name)
        if then != now:
            raise StudyError(f"{study.study_name}: was begun with {name}={then}, now it has {now}; {OTHER}")
    for trial in study.get_trials(deepcopy=False):
        key, where = trial.user_attrs.get("key"), f"{study.study_name}: trial {trial.number}"
        if key is not None and not space.takes(trial.params):
            raise StudyError(f"{where} has values that are none of this space's; {OTHER}")
        if key is not None and key != (now := space.run(trial.params).key):
            values = " ".join(f"{name}={value}" for name, value in trial.params.items())
            raise StudyError(f"{where} ({values}) was run {key} when it was asked for and would now be {now}; {OTHER}")


class Search(OpenTrials):
    """The trials of one search, as a source of runs for the scheduler; several processes may share a search.

    Args:
        root: the runs folder.
        space: what may be tried.
        method: how.
        url: PostgreSQL instead of the journal.
        storage: an Optuna storage instead of both.
        wait_for_others: wait for the trials of others, and take over those that they lose.
        again: also try what has failed once more.

    Raises:
        FolderError: the root cannot be written.
        StudyError: a method that does not go with the space, a search of that name over another space, or a database
            that does not answer.

    """

    def __init__(
        self,
        root: Path,
        space: Space,
        method: Method,
        url: str | None = None,
        storage: BaseStorage | None = None,
        *,
        wait_for_others: bool = False,
        again: bool = False,
    ) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        method.check(space)
        self.root, self.space, self.method, self.wait_for_others = root, space, method, wait_for_others
        self.retries = again
        self.pruner = method.pruner_for(space)
        self.label = label(space, method)
        self.metric = headline(space.base)
        self.dying: dict[str, float] = {}
        self.rest_until: float | None = None
        self.waited = False
        self.storage = storage or open_storage(root, url)
        self.leases = Leases(root, url)
        self.owner = ProcessLock(root)
        with self.leases.exclusively():
            self.optuna = optuna.create_study(
                storage=self.storage,
                study_name=self.label,
                pruner=make_pruner(self.pruner, space.base.recipe.epochs),
                directions=directions(space, method),
                load_if_exists=True,
            )
            check_same(self.optuna, space, method)
            shared = isinstance(self.storage, RDBStorage)
            self.proposals = Proposals(self.optuna, root, space, method, self.owner, shared=shared)
            self.proposals.requeue_interrupted()
            if again:
                requeue_failed(self.optuna)

    @property
    def remaining(self) -> int:
        """How many trials are still to be asked for; interrupted ones do not count as made."""
        return self.proposals.remaining

    def claim(self) -> tuple[SeedTrial, Cell] | None:
        """Take the next seed of an open trial, or ask the sampler for another configuration.

        The seeds of one trial run one after another, so that some may be spared, until nothing else is left to do.
        """
        while True:
            for attempt in self.open.values():
                if taken := attempt.next(one_by_one=True):
                    return taken
            if self._rests() or (proposal := self._ask()) is None:
                waiting = (attempt.next(one_by_one=False) for attempt in self.open.values())
                return next(filter(None, waiting), None)
            trial, run = proposal
            if isinstance(run, str):
                self.close_trial(trial, TrialState.FAIL, run)
                continue
            seeds = range(run.seed, run.seed + self.method.seeds)
            self._begin(trial, [Cell(self.space.label(run), replace(run, seed=seed)) for seed in seeds])

    def _ask(self) -> tuple[Trial, Run | str] | None:
        def ask() -> tuple[Trial, Run | str] | None:
            with self.leases.exclusively():
                self.send_heartbeat(())  # who was stopped for a while is not dead
                return self.proposals.next(self.ask)

        proposal, self.proposals.pending = with_retries(ask), None
        return proposal

    def _rests(self) -> bool:
        """Say whether nothing is to be asked for right now: somebody else still has what is wanted."""
        if self.rest_until is not None and time.monotonic() >= self.rest_until:
            self.rest_until = None
        return self.rest_until is not None

    def waits(self) -> bool:
        """Say whether it is too early to leave: a configuration comes back soon, or others are awaited."""
        others = with_retries(self.proposals.others) if self.rest_until is None and self.wait_for_others else 0
        if others:
            if not self.waited:
                print(f"bam: {self.label}: waiting for what others try ({others} trials)", file=sys.stderr)
            self.waited = True
            self.rest_until = time.monotonic() + LOOK
        return self.rest_until is not None

    def _begin(self, trial: Trial, cells: list[Cell]) -> None:
        """Open a trial for its runs, or tell it at once where its configuration is known."""
        folders = [RunFolder.of(self.root, cell.run) for cell in cells]
        if self.retries:
            begin_contradictions_anew(folders)
        states = [folder.state() for folder in folders]
        running = {cell.run.key for other in self.open.values() for cell in other.cells}
        attempt = Attempt(trial, cells, by_epoch=self.pruner not in ("none", "wilcoxon"))
        self.open[trial.number] = attempt
        attempt.waiting = [index for index, state in enumerate(states) if state != "complete"]
        for index, (cell, folder) in enumerate(zip(cells, folders, strict=True)):
            result = folder.result()
            if result is not None and trial.number in self.open:
                report(attempt.handle(index), cell.run, folder.metrics())
                self.take(attempt, index, reported(cell.run, result))
        if trial.number not in self.open:
            return
        failed = [cell.run for cell, state in zip(cells, states, strict=True) if state == "failed"]
        if failed and not trial.user_attrs.get("retry"):
            self.close_trial(trial, TrialState.FAIL, FAILED_BEFORE)
        elif any(cell.run.key in running for cell in cells):
            self.close_trial(trial, TrialState.FAIL, TRIED_ALREADY)
        elif "running" in states:
            self._wait_for_the_dying(trial, cells[0].run.key)
        elif "pruned" in states and self.pruner != "none" and self._pruned_before(cells[0].run.key):
            report(attempt.handle(0), cells[0].run, folders[0].metrics())
            self.close_trial(trial, TrialState.PRUNED, "this configuration has been pruned before")
        if failed and trial.number in self.open:
            self.again |= failures(self.root, failed, with_retries(self.leases.coordination.entries))

    def _pruned_before(self, key: str) -> bool:
        pruned = self.optuna.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
        return any(trial.user_attrs.get("key") == key for trial in pruned)

    def _wait_for_the_dying(self, trial: Trial, key: str) -> None:
        """Close a trial whose run is another's; that of an interrupted one may be dying, and is retried."""
        began = self.dying.setdefault(key, time.monotonic())
        if "again" not in trial.user_attrs or self.proposals.others(key) or time.monotonic() - began > DYING:
            self.close_trial(trial, TrialState.FAIL, TRIED_ALREADY)
        else:
            self.rest_until = time.monotonic() + LOOK
            with_retries(lambda: self.interrupt(trial))
