"""What the trials of a search tell: which count as made, which were lost, what has been pruned."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from studies.owner import alive
from studies.postgres import GRACE, patience
from studies.source import home
from studies.storage import quiet_heartbeat

LOOK: Final = 2.0
"""Seconds between two looks for trials whose process has died."""


def made(trial: FrozenTrial) -> bool:
    """Say whether a trial counts: one that failed says why, and one that does not was lost."""
    lost = trial.state == TrialState.FAIL and "why" not in trial.user_attrs
    return trial.state != TrialState.WAITING and not lost


def pruned_before(study: optuna.Study, key: str) -> bool:
    """Say whether this search has pruned that configuration."""
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    return any(trial.user_attrs.get("key") == key for trial in pruned)


class Lost:
    """Finds the trials of a search whose process has died, and asks for their configurations again.

    Whoever calls keeps all others out, so a trial without an owner was being asked for when its process died. In
    PostgreSQL another host's trial is known for dead by its heartbeat alone.

    Args:
        study: of the search.
        root: the runs folder.
        owner: who looks; its own trials are not lost.
        shared: whether other hosts have trials in it, too, in PostgreSQL.

    """

    def __init__(self, study: optuna.Study, root: Path, owner: str, *, shared: bool) -> None:
        self.study = study
        self.root = root
        self.owner = owner
        self.looked = -LOOK
        self.shared = shared

    def asked_again(self) -> bool:
        """Close the lost trials and put their configurations back, every `LOOK` seconds; say whether there were any."""
        if time.monotonic() - self.looked < LOOK:
            return False
        self.looked = time.monotonic()
        if self.shared and patience.since() > GRACE:  # while the database was away nobody could show life
            with quiet_heartbeat():
                fail_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get("again") for trial in trials}
        lost = [trial for trial in trials if trial.number not in again and self._is_lost(trial)]
        for trial in lost:
            self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            ask_again(self.study, trial.number, trial.params)
        return bool(lost)

    def _is_lost(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            return "why" not in trial.user_attrs
        owner = trial.user_attrs.get("owner", "")
        if trial.state != TrialState.RUNNING or owner == self.owner:
            return False
        elsewhere = self.shared and trial.user_attrs.get("home") not in (None, home(self.root))
        return not elsewhere and not (owner and alive(self.root, owner))


def ask_again(study: optuna.Study, number: int, values: Mapping[str, Any]) -> None:
    """Put a lost trial's configuration back, to be asked before any other."""
    study.enqueue_trial(dict(values), user_attrs={"again": number})
