"""What a search asks Optuna for: what was interrupted once more, then new configurations, until all are made."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_bam.config import ConfigError, Run
from studies.coordination.location import Place
from studies.coordination.process_lock import ProcessLock, alive
from studies.search.method import Method
from studies.search.samplers import own_sampler, suggest
from studies.search.space import Space
from studies.search.trials import ALL_TRIED, counted, requeue
from studies.storage.checked_trials import attributes, readable
from studies.storage.optuna_storage import close_stale_trials
from studies.storage.postgres import with_retries

STRANGE: Final = "it was asked for with values that are none of this space's"
LOOK: Final = 2.0
"""Seconds between two looks for trials whose process has died."""


class Proposals:
    """Asks for the configurations of one search, on behalf of one process.

    Args:
        study: Optuna's, of the search.
        root: the runs folder.
        space: what may be tried.
        method: how.
        owner: who asks; its own trials are not interrupted.
        shared: whether other hosts ask, too, in PostgreSQL: a trial of theirs is dead when its heartbeat has ended.

    """

    def __init__(
        self, study: optuna.Study, root: Path, space: Space, method: Method, owner: ProcessLock, *, shared: bool
    ) -> None:
        self.study, self.root, self.space, self.method = study, root, space, method
        self.owner, self.shared = owner.name, shared
        self.by = f"{method.sampler}, pruner {method.pruner_for(space)}"
        self.trials = method.trials_for(space)
        self.looked = -LOOK
        self.drawing = False
        self.exhausted = False
        self.pending: Trial | None = None

    @property
    def remaining(self) -> int:
        """How many trials are still to be asked for; with brute force, how many configurations."""
        trials = list(counted(with_retries(lambda: self.study.get_trials(deepcopy=False))))
        if self.method.sampler != "brute":
            return self.trials - len(trials)
        return 0 if self.exhausted else self.trials - len({frozenset(trial.params.items()) for trial in trials})

    def next(self, ask: Callable[[], Trial]) -> tuple[Trial, Run | str] | None:
        """Return a trial, and its run at the first seed or why there can be none; None where all are made.

        Whoever calls keeps all others out. What `ask` gave when a database went away is kept, until the caller
        sets `pending` to None. A StudyError where Optuna stumbles over what somebody else has written to the storage.
        """
        if self.pending is None and self.remaining <= 0 and not self.requeue_interrupted():
            return None
        with readable(self.study.study_name):
            if not self.drawing:
                self.study.sampler = own_sampler(self.study, self.method.sampler, self.trials, self.method.seed)
                self.drawing = True
            trial = self.pending = self.pending or ask()
            return trial, self._run_of(trial)

    def _run_of(self, trial: Trial) -> Run | str:
        """Draw the trial's configuration, and return its run at the first seed or why there can be none."""
        for name, value in (("owner", self.owner), ("home", str(Place.of(self.root))), ("by", self.by)):
            trial.set_user_attr(name, value)
        stored = self.study.get_trials(deepcopy=False)
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
        if self.shared:
            close_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get("again") for trial in trials}
        interrupted = [trial for trial in trials if trial.number not in again and self._is_interrupted(trial)]
        for trial in interrupted:
            self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            requeue(self.study, trial)
        return bool(interrupted)

    def _is_interrupted(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            return "why" not in trial.user_attrs
        owner = trial.user_attrs.get("owner", "")
        if trial.state != TrialState.RUNNING or owner == self.owner:
            return False
        elsewhere = self.shared and trial.user_attrs.get("home") not in (None, str(Place.of(self.root)))
        return not elsewhere and not (owner and alive(self.root, owner))

    def others(self, key: str | None = None) -> int:
        """Return how many trials of others are being tried; of one configuration, if its key is given."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        theirs = [trial.user_attrs for trial in trials if trial.user_attrs.get("owner") != self.owner]
        return sum(key in (None, attrs.get("key")) for attrs in theirs)
