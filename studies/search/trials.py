"""What the trials of a search tell: which count as made, which were interrupted, what has been pruned."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import optuna
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.coordination.location import Place
from studies.coordination.process_lock import alive
from studies.storage.optuna_storage import quiet_heartbeat
from studies.storage.postgres import GRACE, patience, patiently

LOOK: Final = 2.0
"""Seconds between two looks for trials whose process has died."""


RUN_FAILED: Final = "its run failed"
FAILED_BEFORE: Final = "this configuration has failed before"
TRIED_ALREADY: Final = "this configuration is being tried already"
ANOTHERS: Final = "its run is another's"
ALL_TRIED: Final = "every configuration has been tried"
"""Why a trial gave nothing; any other reason is a configuration that cannot be."""
HARMLESS: Final = (TRIED_ALREADY, ANOTHERS, ALL_TRIED)
"""Those that somebody else's trial makes good for."""


def counted(trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
    """Yield the trials that count as made: not one that is only asked for, was interrupted, or is asked for again.

    One that failed says `why`, and one that does not was interrupted. A pruned one that was in its last epoch and so
    has a figure after all stands there twice, and counts once.
    """
    again = {trial.user_attrs.get("again") for trial in trials}
    for trial in trials:
        failed = trial.state == TrialState.FAIL
        gone = failed and ("why" not in trial.user_attrs or trial.number in again)
        if trial.state != TrialState.WAITING and not gone and "late" not in trial.user_attrs:
            yield trial


def configurations(trials: Sequence[FrozenTrial]) -> int:
    """Return how many different configurations the trials that count have."""
    return len({frozenset(trial.params.items()) for trial in counted(trials)})


def troubles(trials: Sequence[FrozenTrial]) -> Counter[str]:
    """Return why trials gave nothing where something is wrong, and how many each."""
    reasons = (str(t.user_attrs["why"]) for t in counted(trials) if t.state == TrialState.FAIL)
    return Counter(why for why in reasons if why not in HARMLESS)


def pruned_before(study: optuna.Study, key: str) -> bool:
    """Say whether this search has pruned that configuration."""
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    return any(trial.user_attrs.get("key") == key for trial in pruned)


class Recovery:
    """Finds the trials of a search whose process has died, and asks for their configurations again.

    Whoever calls keeps all others out, so a trial without an owner was being asked for when its process died. In
    PostgreSQL another host's trial is known for dead by its heartbeat alone.

    Args:
        study: of the search.
        root: the runs folder.
        owner: who looks; its own trials are not interrupted.
        shared: whether other hosts have trials in it, too, in PostgreSQL.

    """

    def __init__(self, study: optuna.Study, root: Path, owner: str, *, shared: bool) -> None:
        self.study = study
        self.root = root
        self.owner = owner
        self.looked = -LOOK
        self.shared = shared

    def requeue_interrupted(self) -> bool:
        """Close interrupted trials and put their configurations back, every `LOOK` seconds; say whether any were."""
        if time.monotonic() - self.looked < LOOK:
            return False
        self.looked = time.monotonic()
        if self.shared and patience.since() > GRACE:  # while the database was away nobody could send a heartbeat
            with quiet_heartbeat():
                fail_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get("again") for trial in trials}
        interrupted = [trial for trial in trials if trial.number not in again and self._is_interrupted(trial)]
        for trial in interrupted:
            self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            requeue(self.study, trial)
        return bool(interrupted)

    def others(self, key: str | None = None) -> int:
        """Return how many trials of others are being tried; of one configuration, if its key is given."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        theirs = [trial.user_attrs for trial in trials if trial.user_attrs.get("owner") != self.owner]
        return sum(key in (None, attrs.get("key")) for attrs in theirs)

    def _is_interrupted(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            return "why" not in trial.user_attrs
        owner = trial.user_attrs.get("owner", "")
        if trial.state != TrialState.RUNNING or owner == self.owner:
            return False
        elsewhere = self.shared and trial.user_attrs.get("home") not in (None, str(Place.of(self.root)))
        return not elsewhere and not (owner and alive(self.root, owner))


def requeue_failed(study: optuna.Study) -> None:
    """Ask once more for each configuration whose run has failed, unless that has been done; others are kept out."""
    trials = study.get_trials(deepcopy=False)
    keys: set[str] = set()
    for trial in counted(trials):
        attrs = trial.user_attrs
        if attrs.get("why") in (RUN_FAILED, FAILED_BEFORE) and attrs.get("key") not in (None, *keys):
            keys.add(attrs["key"])
            requeue(study, trial, retry=True)


def tell_late(study: optuna.Study, number: int, figure: float) -> None:
    """Tell the figure of a run that was in its last epoch when its trial was pruned."""
    pruned = next(trial for trial in study.get_trials(deepcopy=False) if trial.number == number)
    trial = optuna.trial.create_trial(
        value=figure,
        params=pruned.params,
        distributions=pruned.distributions,
        user_attrs={**pruned.user_attrs, "late": number},
        intermediate_values=pruned.intermediate_values,
    )
    patiently(lambda: study.add_trial(trial))


def requeue(study: optuna.Study, trial: FrozenTrial | Trial, *, retry: bool = False) -> None:
    """Put an interrupted trial's configuration first; with `retry` also one whose run failed."""
    attrs = {"again": trial.number, "retry": retry or trial.user_attrs.get("retry", False)}
    study.enqueue_trial(dict(trial.params), user_attrs=attrs)
