"""Run a search, and return the best of its trials."""

from collections.abc import Iterable
from multiprocessing.context import ForkServerContext

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_bam.config import ConfigError
from studies.definition.study import Cell
from studies.engine.cut_off import tell_cut_off
from studies.engine.progress import Progress, View
from studies.engine.run_study import drive
from studies.engine.scheduler import Options
from studies.search.begun import Begun
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
    trains = pending > 0 or search.waits()
    if trains:
        _check(search, options)
    join_sweep(search, options.wandb, trains=trains)
    tell_cut_off(search.label, search.begun_cells, search.about, search.root, options.wandb)
    if trains:
        drive(search, search.root, options, _server(options), progress, view)
    return progress


def _server(options: Options) -> ForkServerContext:
    return forkserver(tracked=options.wandb != "off")


def _check(search: Search, options: Options) -> None:
    try:
        preflight(_server(options), search.space.corners(), options.slots, noun="configuration")
    except ConfigError:
        with search.leases.exclusively():
            if not search.optuna.get_trials(deepcopy=False):  # nothing has been tried: its name is free again
                optuna.delete_study(study_name=search.label, storage=search.storage)
        raise


def _complete(search: Search | Begun) -> list[FrozenTrial]:
    """Return the complete trials; one without a key was never asked for by a search."""
    trials = search.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if "key" in trial.user_attrs]


def _before(search: Search) -> list[tuple[Cell, float]]:
    done = [(trial.values[0], search.space.run(trial.params)) for trial in _complete(search)]
    return [(cell, figure) for figure, run in done for cell in search.cells(run)]


def best(search: Search | Begun, count: int = 5) -> list[FrozenTrial]:
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
