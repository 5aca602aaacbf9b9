"""How trials are closed that dead schedulers have left open in a study's account."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from lightning_bam.run_folder.files import FolderError, inside
from lightning_bam.run_folder.folder import RunFolder
from studies.coordination.location import Place
from studies.headline import reported
from studies.storage.optuna_storage import quiet_heartbeat
from studies.storage.postgres import GRACE


def settle_all(study: optuna.Study, root: Path, storage: object) -> None:
    """Close the trials that claim to be running while nobody trains their run; a finished run completes one trial.

    In PostgreSQL another host's trial is known for dead by its heartbeat alone. Of several trials of one run the last
    one's scheduler has had the run last; the others are what a dead scheduler left, and gave nothing.
    """
    shared = isinstance(storage, RDBStorage)
    if shared:
        with quiet_heartbeat():
            fail_stale_trials(study)
    trials, here = study.get_trials(deepcopy=False), str(Place.of(root))
    done = {trial.user_attrs.get("key") for trial in trials if trial.state == TrialState.COMPLETE}
    for trial in reversed(trials):
        ours = trial.user_attrs.get("home") in (None, here)  # without one: its host died as it asked
        if trial.state == TrialState.RUNNING and (ours or not shared):
            settle(study, root, trial, done)


def settle(study: optuna.Study, root: Path, trial: FrozenTrial, done: set[str | None]) -> None:
    """Close a running trial unless somebody trains its run: with its figure, if there is one and no trial has told it.

    Args:
        study: whose trial.
        root: the runs folder.
        trial: a running one.
        done: the keys of the runs that a trial has told; this one's is added where it is the one.

    """
    key, asked = trial.user_attrs.get("key"), trial.datetime_start
    if "home" not in trial.user_attrs and asked is not None and (datetime.now() - asked).total_seconds() < GRACE:
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
