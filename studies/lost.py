"""What the trials of a search tell: which count as made, which were lost, what has been pruned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from studies.owner import alive
from studies.source import home


def made(trial: FrozenTrial) -> bool:
    """Say whether a trial counts: one that failed says why, and one that does not was lost."""
    lost = trial.state == TrialState.FAIL and "why" not in trial.user_attrs
    return trial.state != TrialState.WAITING and not lost


def pruned_before(study: optuna.Study, key: str) -> bool:
    """Say whether this search has pruned that configuration."""
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    return any(trial.user_attrs.get("key") == key for trial in pruned)


def lost_trials(study: optuna.Study, root: Path, owner: str) -> list[FrozenTrial]:
    """Return the trials whose process has died and that nobody has asked for again.

    Whoever calls keeps all others out, so a trial without an owner was being asked for when its process died. In
    PostgreSQL another host's trial is known for dead by its heartbeat alone.

    Args:
        study: of the search.
        root: the runs folder.
        owner: who calls.

    """
    shared = isinstance(study._storage, RDBStorage)  # Optuna has no public name for it
    if shared:
        fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("again") for trial in trials}

    def is_lost(trial: FrozenTrial) -> bool:
        if trial.state == TrialState.FAIL:
            return "why" not in trial.user_attrs
        asked_by = trial.user_attrs.get("owner", "")
        if trial.state != TrialState.RUNNING or asked_by == owner:
            return False
        elsewhere = shared and trial.user_attrs.get("home") not in (None, home(root))
        return not elsewhere and not (asked_by and alive(root, asked_by))

    return [trial for trial in trials if trial.number not in again and is_lost(trial)]


def ask_lost_again(study: optuna.Study, root: Path, owner: str) -> bool:
    """Close the lost trials and put their configurations back; say whether there were any. See `lost_trials`."""
    lost = lost_trials(study, root, owner)
    for trial in lost:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        ask_again(study, trial.number, trial.params)
    return bool(lost)


def ask_again(study: optuna.Study, number: int, values: Mapping[str, Any]) -> None:
    """Put a lost trial's configuration back, to be asked before any other."""
    study.enqueue_trial(dict(values), user_attrs={"again": number})
