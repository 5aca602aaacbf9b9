"""Run a search, and return the best of its trials."""

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
from studies.search.sweep import join_sweep
from studies.workers.forkserver import forkserver
from studies.workers.preflight import preflight


def run_search(search: Search, options: Options, view: View) -> Progress:
    """Train what the search asks for, and say how it went; ConfigError where a corner of the space cannot be."""
    pending, before = max(0, search.remaining) * search.method.seeds, _before(search)
    progress = Progress(
        title=search.label, total=len(before) + pending, slots=len(options.slots), before=before, pending=pending
    )
    if pending or search.waits():
        context = forkserver(tracked=options.wandb != "off")
        try:
            preflight(context, search.space.corners(), options.slots, noun="configuration")
        except ConfigError:
            with search.leases.exclusively():
                if not search.optuna.get_trials(deepcopy=False):  # nothing has been tried: its name is free again
                    optuna.delete_study(study_name=search.label, storage=search.storage)
            raise
        join_sweep(search, options.wandb, trains=True)
        drive(search, search.root, options, context, progress, view)
    else:
        join_sweep(search, options.wandb, trains=False)
    return progress


def _complete(search: Search) -> list[FrozenTrial]:
    """Return the complete trials; one without a key was never asked for by a search."""
    trials = search.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if "key" in trial.user_attrs]


def _before(search: Search) -> list[tuple[Cell, float]]:
    cells = []
    for trial in _complete(search):
        run = search.space.run(trial.params)
        seeds = range(run.seed, run.seed + search.method.seeds)
        cells += [(Cell(search.space.label(run), replace(run, seed=seed)), trial.values[0]) for seed in seeds]
    return cells


def best(search: Search, count: int = 5) -> list[FrozenTrial]:
    """Return the best complete trials, each configuration once; of two objectives those that no other beats in both."""
    sign = -1 if search.metric.higher_is_better else 1
    trials: Iterable[FrozenTrial] = _complete(search)
    if len(search.optuna.directions) > 1:
        trials = search.optuna.best_trials
    first: dict[str, FrozenTrial] = {}
    for trial in sorted(trials, key=lambda t: (sign * t.values[0], *t.values[1:], t.number)):
        if key := trial.user_attrs.get("key"):
            first.setdefault(key, trial)
    return list(first.values())[:count]
