"""What a search asks Optuna for: what was interrupted once more, then new configurations, until all are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import Trial

from lightning_bam.config import ConfigError, Run
from studies.coordination.location import Place
from studies.coordination.process_lock import ProcessLock
from studies.search.method import Method
from studies.search.recovery import ALL_TRIED, Recovery, configurations, counted
from studies.search.samplers import own_sampler, suggest
from studies.search.space import Space
from studies.storage.checked_trials import attributes, readable
from studies.storage.postgres import patiently

STRANGE: Final = "it was asked for with values that are none of this space's"


class Proposals:
    """Asks for the configurations of one search, on behalf of one process.

    Args:
        study: Optuna's, of the search.
        root: the runs folder.
        space: what may be tried.
        method: how.
        owner: who asks.
        shared: whether other hosts ask, too, in PostgreSQL.

    """

    def __init__(
        self, study: optuna.Study, root: Path, space: Space, method: Method, owner: ProcessLock, *, shared: bool
    ) -> None:
        self.study, self.root, self.space, self.method, self.owner = study, root, space, method, owner
        self.by = f"{method.sampler}, pruner {method.pruner_for(space)}"
        self.trials = method.trials_for(space)
        self.recovery = Recovery(study, root, owner.name, shared=shared)
        self.drawing = False
        self.exhausted = False
        self.asked: Trial | None = None

    @property
    def left(self) -> int:
        """How many trials are still to be asked for; with brute force, how many configurations."""
        trials = patiently(lambda: self.study.get_trials(deepcopy=False))
        if self.method.sampler == "brute":
            return 0 if self.exhausted else self.trials - configurations(trials)
        return self.trials - sum(1 for _ in counted(trials))

    def next(self, ask: Callable[[], Trial]) -> tuple[Trial, Run | str] | None:
        """Ask for a configuration; None where all are made. Whoever calls keeps all others out.

        What was asked for when a database went away is gone on with, until the caller sets `asked` to None.

        Args:
            ask: asks for a trial, and sends its first heartbeat.

        Returns:
            The trial, and its run at the first seed or why there can be none.

        Raises:
            StudyError: Optuna stumbles over what somebody else has written to the storage.

        """
        if self.asked is None and self.left <= 0 and not self.recovery.requeue_interrupted():
            return None
        with readable(self.study.study_name):
            return self._next(ask)

    def _next(self, ask: Callable[[], Trial]) -> tuple[Trial, Run | str]:
        if not self.drawing:
            self.study.sampler = own_sampler(self.study, self.method.sampler, self.trials, self.method.seed)
            self.drawing = True
        trial = self.asked = self.asked or ask()
        for name, value in (("owner", self.owner.name), ("home", str(Place.of(self.root))), ("by", self.by)):
            trial.set_user_attr(name, value)
        if not self.space.takes(self._fixed_params(trial)):
            return trial, STRANGE
        try:
            run = self.space.run(self.space.draw(partial(suggest, trial)))
        except ConfigError as error:
            return trial, str(error)
        if self.method.sampler == "brute" and self._again(trial):
            self.exhausted = True
            return trial, ALL_TRIED
        trial.set_user_attr("key", run.key)
        return trial, run

    def _again(self, trial: Trial) -> bool:
        """Say whether a trial that counts has had these values."""
        every = self.study.get_trials(deepcopy=False)
        return any(other.number != trial.number and other.params == trial.params for other in counted(every))

    def _fixed_params(self, trial: Trial) -> dict[str, Any]:
        """Return the values that a trial was put back with, which Optuna takes as they are."""
        stored = self.study.get_trials(deepcopy=False)[trial.number]
        fixed: dict[str, Any] = attributes(stored.system_attrs).get("fixed_params", {})
        return fixed
