"""Optuna's TPE with median pruning over a space; what it finds is selected on held-out data, and stays a search."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_bam.config import flatten
from lightning_bam.folder import RunFolder
from studies.engine import drive
from studies.headline import reported
from studies.leases import Leases
from studies.ledger import report, settle
from studies.preflight import preflight
from studies.processes import forkserver
from studies.progress import Progress, View
from studies.scheduler import Options
from studies.source import Source
from studies.space import Space
from studies.storage import open_storage
from studies.study import Cell


class Search(Source):
    """The trials of one search, as a source of runs for the scheduler.

    Args:
        root: the runs folder.
        space: what may be tried.
        trials: how many trials the search has in all, earlier ones included.
        seed: of the sampler.

    Raises:
        FolderError: the root cannot be written.

    """

    def __init__(self, root: Path, space: Space, trials: int, seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.root = root
        self.space = space
        self.trials = trials
        self.claimed: set[str] = set()
        self.label = f"search+{space.name}"
        self.storage = open_storage(root)
        self.leases = Leases(root)
        self.optuna = optuna.create_study(
            storage=self.storage,
            study_name=self.label,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(4, trials // 4))),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
            direction="minimize",
            load_if_exists=True,
        )
        for trial in self.optuna.get_trials(deepcopy=False):
            settle(self.optuna, root, trial)

    @property
    def left(self) -> int:
        """How many trials are still to be asked for; those whose run was lost do not count as made."""
        trials = self.optuna.get_trials(deepcopy=False)
        made = [t for t in trials if t.state != TrialState.WAITING and not t.user_attrs.get("lost")]
        return self.trials - len(made)

    def claim(self) -> tuple[Trial, Cell] | None:
        """Ask the sampler for the next run; one that is finished already is told at once.

        One that is being trained right now is asked for in vain, and counts as made: a small space is soon exhausted.
        """
        while self.left > 0:
            trial = self.optuna.ask()
            values = {name: trial.suggest_categorical(name, values) for name, values in self.space.choices.items()}
            run = self.space.run(values)
            trial.set_user_attr("key", run.key)
            folder = RunFolder.of(self.root, run)
            result = folder.result()
            if result is not None:
                report(trial, run, folder.metrics())
                self.complete(trial, reported(run, result))
            elif folder.state() == "running" or run.key in self.claimed:
                self.fail(trial)
            else:
                self.claimed.add(run.key)
                return trial, Cell(self.space.label(run), run)
        return None

    def requeue(self, trial: Trial, cell: Cell) -> None:
        """Ask for the same values again."""
        trial.set_user_attr("lost", True)
        self.fail(trial)
        self.claimed.discard(cell.run.key)
        flat = flatten(cell.run)
        self.optuna.enqueue_trial({name: str(flat[name]) for name in self.space.choices})

    def complete(self, trial: Trial, error: float) -> None:
        """Tell the held-out error, in percent."""
        self.optuna.tell(trial, error, skip_if_finished=True)

    def fail(self, trial: Trial) -> None:
        """Close a trial that gave nothing."""
        self.optuna.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def prune(self, trial: Trial) -> bool:
        """Say whether the trial is worse than the median of the others at its last epoch."""
        if not trial.should_prune():
            return False
        self.optuna.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        return True

    def best(self, count: int = 5) -> list[FrozenTrial]:
        """Return the complete trials with the least held-out error."""
        complete = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return sorted(complete, key=lambda trial: (trial.value, trial.number))[:count]


def run_search(search: Search, options: Options, view: View) -> Progress:
    """Train what the search asks for, and say how it went; calling it again goes on.

    Raises:
        ConfigError: a corner of the space that cannot be trained, found before anything is started.
        KeyboardInterrupt: interrupted; every process group has been ended.

    """
    left = max(0, search.left)
    progress = Progress(title=search.label, total=search.trials, slots=len(options.slots), pending=left)
    if left:
        corners = {
            f"{name}={value}": search.space.run({name: value})
            for name, values in search.space.choices.items()
            for value in values
        }
        context = forkserver()
        preflight(context, corners, options.slots)
        drive(search, search.root, options, context, progress, view)
    return progress
