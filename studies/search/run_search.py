"""Run a search, and return what it has found so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_bam.config import ConfigError
from studies.definition.study import Cell
from studies.engine.progress import Progress, View
from studies.engine.run_study import drive
from studies.engine.scheduler import Options
from studies.search.search import Search
from studies.workers.forkserver import forkserver
from studies.workers.preflight import preflight


def run_search(search: Search, options: Options, view: View) -> Progress:
    """Train what the search asks for, and say how it went; calling it again goes on.

    Raises:
        ConfigError: a corner of the space that cannot be trained, found before anything is started.
        KeyboardInterrupt: interrupted; every process group has been ended.

    """
    left, before = max(0, search.left) * search.method.seeds, _before(search)
    progress = Progress(
        title=search.label, total=len(before) + left, slots=len(options.slots), before=before, pending=left
    )
    if left or search.waits():
        context = forkserver(tracked=options.wandb != "off")
        try:
            preflight(context, search.space.corners(), options.slots, noun="configuration")
        except ConfigError:
            _forget(search)
            raise
        drive(search, search.root, options, context, progress, view)
    return progress


def _before(search: Search) -> list[tuple[Cell, float]]:
    """Return the runs of the trials that were complete, each with its trial's figure."""
    found = []
    for trial in search.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "key" not in trial.user_attrs:
            continue
        run = search.space.run(trial.params)
        seeds = range(run.seed, run.seed + search.method.seeds)
        found += [(Cell(search.space.label(run), replace(run, seed=seed)), trial.values[0]) for seed in seeds]
    return found


def _forget(search: Search) -> None:
    """Take back that a search was begun, unless something has been tried in it."""
    with search.leases.exclusively():
        if not search.optuna.get_trials(deepcopy=False):
            optuna.delete_study(study_name=search.label, storage=search.storage)


def best(search: Search, count: int = 5) -> list[FrozenTrial]:
    """Return the complete trials with the best held-out figure, each configuration once.

    With two objectives: those that no other beats in both, the least error first.
    """
    if len(search.optuna.directions) > 1:
        return _once(sorted(search.optuna.best_trials, key=lambda t: (*t.values, t.number)))[:count]
    sign = -1 if search.metric.higher_is_better else 1
    complete = search.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return _once(sorted(complete, key=lambda t: (sign * t.values[0], t.number)))[:count]


def _once(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    found: dict[str, FrozenTrial] = {}
    for trial in trials:
        if key := trial.user_attrs.get("key"):  # one without was never asked for by a search
            found.setdefault(key, trial)
    return list(found.values())
