"""A search: Optuna proposes configurations of a space and prunes them, on held-out data."""

import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_bam.config import ConfigError, Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import headline, reported
from studies.coordination.leases import Leases
from studies.coordination.location import Place
from studies.coordination.process_lock import ProcessLock, alive
from studies.coordination.retries import begin_contradictions_anew, failures
from studies.definition.study import Cell
from studies.engine.source import TrialObserver
from studies.errors import StudyError
from studies.job.job import About
from studies.search.choices import Integer, Real
from studies.search.method import Method, label
from studies.search.open_trials import Attempt, OpenTrials, SeedTrial
from studies.search.pruners import make_pruner
from studies.search.samplers import own_sampler, suggest
from studies.search.space import Space
from studies.search.trials import ALL_TRIED, FAILED_BEFORE, TRIED_ALREADY, counted, requeue, requeue_failed
from studies.storage.checked_trials import attributes, readable
from studies.storage.optuna_storage import close_stale_trials, open_storage
from studies.storage.postgres import with_retries
from studies.tracking.sweep import Sweep

OTHER: Final = "give the space another name, or use another --root"
STRANGE: Final = "it was asked for with values that are none of this space's"
LOOK: Final = 2.0
"""Seconds between two looks for trials whose process has died."""
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

    They are in `storage`, or else in PostgreSQL at `url`, or else in the journal of `root`. With `wait_for_others` the
    trials of others are waited for, and taken over where they are interrupted; with `again` what has failed is tried
    once more. Raises `StudyError` for a method that does not go with the space, and for a search of that name over
    another space.
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
        self.about = About(question=space.question, varied=tuple(space.choices))
        self.sweep: Sweep | None = None
        self.metric = headline(space.base)
        self.trials = method.trials_for(space)
        self.looked = -LOOK
        self.drawing = False
        self.exhausted = False
        self.pending: Trial | None = None
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
            self.requeue_interrupted()
            if again:
                requeue_failed(self.optuna)

    @property
    def remaining(self) -> int:
        """How many trials are still to be asked for, with brute force configurations; no interrupted one is made."""
        trials = list(counted(with_retries(lambda: self.optuna.get_trials(deepcopy=False))))
        if self.method.sampler != "brute":
            return self.trials - len(trials)
        return 0 if self.exhausted else self.trials - len({frozenset(trial.params.items()) for trial in trials})

    def cells(self, run: Run) -> list[Cell]:
        """Return the runs of a configuration, given the one at its first seed."""
        seeds = range(run.seed, run.seed + self.method.seeds)
        return [Cell(self.space.label(run), replace(run, seed=seed)) for seed in seeds]

    def begun_cells(self) -> list[Cell]:
        """Return the runs of all trials that have been begun."""
        trials = with_retries(lambda: self.optuna.get_trials(deepcopy=False))
        runs = [self.space.run(trial.params) for trial in trials if "key" in trial.user_attrs]
        return list(dict.fromkeys(cell for run in runs for cell in self.cells(run)))

    def claim(self) -> tuple[SeedTrial, Cell] | None:
        """Take a seed of an open trial, one by one while there is other work so that some may be spared, or ask."""
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
            self._begin(trial, self.cells(run))

    def _ask(self) -> tuple[Trial, Run | str] | None:
        """Return a trial, and its run at the first seed or why there can be none; None where all are made.

        What was asked for when a database went away is `pending`.
        """
        proposal, self.pending = with_retries(self._propose), None
        return proposal

    def _propose(self) -> tuple[Trial, Run | str] | None:
        with self.leases.exclusively():
            self.send_heartbeat(())  # who was stopped for a while is not dead
            if self.pending is None and self.remaining <= 0 and not self.requeue_interrupted():
                return None
            with readable(self.label):
                if not self.drawing:
                    self.optuna.sampler = own_sampler(self.optuna, self.method.sampler, self.trials, self.method.seed)
                    self.drawing = True
                trial = self.pending = self.pending or self.ask()
                return trial, self._run_of(trial)

    def _run_of(self, trial: Trial) -> Run | str:
        """Draw the trial's configuration, and return its run at the first seed or why there can be none."""
        by = f"{self.method.sampler}, pruner {self.pruner}"
        for name, value in (("owner", self.owner.name), ("home", str(Place.of(self.root))), ("by", by)):
            trial.set_user_attr(name, value)
        stored = self.optuna.get_trials(deepcopy=False)
        if not self.space.takes(attributes(stored[trial.number].system_attrs).get("fixed_params", {})):
            return STRANGE
        try:
            run = self.space.run(self.space.draw(partial(suggest, trial)))
        except ConfigError as error:
            return str(error)
        if self.method.sampler == "brute" and any(
            other.number != trial.number and other.params == trial.params for other in counted(stored)
        ):
            self.exhausted = True
            return ALL_TRIED
        trial.set_user_attr("key", run.key)
        return run

    def requeue_interrupted(self) -> bool:
        """Close interrupted trials and put their configurations back, every `LOOK` seconds; say whether any were.

        Whoever calls keeps all others out, so a trial without an owner was being asked for when its process died.
        """
        if time.monotonic() - self.looked < LOOK:
            return False
        self.looked = time.monotonic()
        if isinstance(self.storage, RDBStorage):
            close_stale_trials(self.optuna)
        trials = self.optuna.get_trials(deepcopy=False)
        again = {trial.user_attrs.get("again") for trial in trials}
        interrupted = [trial for trial in trials if trial.number not in again and self._is_interrupted(trial)]
        for trial in interrupted:
            self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            requeue(self.optuna, trial)
        return bool(interrupted)

    def _is_interrupted(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            return "why" not in trial.user_attrs
        owner = trial.user_attrs.get("owner", "")
        if trial.state != TrialState.RUNNING or owner == self.owner.name:
            return False
        # a trial of another host is dead when its heartbeat has ended
        home = trial.user_attrs.get("home") if isinstance(self.storage, RDBStorage) else None
        return home in (None, str(Place.of(self.root))) and not (owner and alive(self.root, owner))

    def others(self, key: str | None = None) -> int:
        """Return how many trials of others are being tried; of one configuration, if its key is given."""
        trials = self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        theirs = [trial.user_attrs for trial in trials if trial.user_attrs.get("owner") != self.owner.name]
        return sum(key in (None, attrs.get("key")) for attrs in theirs)

    def _rests(self) -> bool:
        """Say whether nothing is to be asked for right now: somebody else still has what is wanted."""
        if self.rest_until is not None and time.monotonic() >= self.rest_until:
            self.rest_until = None
        return self.rest_until is not None

    def waits(self) -> bool:
        """Say whether it is too early to leave: a configuration comes back soon, or others are awaited."""
        others = with_retries(self.others) if self.rest_until is None and self.wait_for_others else 0
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
                self._report(attempt, index)
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
            self._report(attempt, 0)
            self.close_trial(trial, TrialState.PRUNED, "this configuration has been pruned before")
        if failed and trial.number in self.open:
            self.again |= failures(self.root, failed, with_retries(self.leases.coordination.entries))

    def _report(self, attempt: Attempt, index: int) -> None:
        observer = TrialObserver(self, attempt.handle(index), attempt.cells[index])
        for line in RunFolder.of(self.root, attempt.cells[index].run).metrics():
            observer.epoch(line)

    def _pruned_before(self, key: str) -> bool:
        pruned = self.optuna.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
        return any(trial.user_attrs.get("key") == key for trial in pruned)

    def _wait_for_the_dying(self, trial: Trial, key: str) -> None:
        """Close a trial whose run is another's; that of an interrupted one may be dying, and is retried."""
        began = self.dying.setdefault(key, time.monotonic())
        if "again" not in trial.user_attrs or self.others(key) or time.monotonic() - began > DYING:
            self.close_trial(trial, TrialState.FAIL, TRIED_ALREADY)
        else:
            self.rest_until = time.monotonic() + LOOK
            with_retries(lambda: self.interrupt(trial))
