"""The open trials of a search: their runs' figures, and how each trial is closed."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import fmean

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from studies.coordination.leases import Lease
from studies.coordination.retries import FailedAttempt
from studies.definition.study import Cell
from studies.engine.source import Source, TrialHandle
from studies.search.trials import ANOTHERS, HARMLESS, RUN_FAILED, requeue
from studies.storage.postgres import with_retries


@dataclass
class SeedTrial:
    """A trial as the scheduler holds it for the run of one of its seeds, by index.

    `reported` are the epochs that Optuna has, shared by all who go on with the run; None where it gets none.
    """

    trial: Trial
    index: int
    reported: set[int] | None

    @property
    def number(self) -> int:
        """The trial's number in the study."""
        return self.trial.number

    def report(self, value: float, step: int) -> None:
        """Report an epoch's figure, once."""
        if self.reported is not None and step not in self.reported:
            self.trial.report(value, step)
            self.reported.add(step)  # not before: a database that was away is told again


@dataclass
class Attempt:
    """An open trial: its runs, and by their seed's index those waiting, those running and the figures so far.

    Optuna hears of the first run's epochs if `by_epoch`.
    """

    trial: Trial
    cells: list[Cell]
    by_epoch: bool
    waiting: list[int] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    figures: dict[int, float] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)

    def next(self, *, one_by_one: bool) -> tuple[SeedTrial, Cell] | None:
        """Take the run of the next seed; with `one_by_one` only when none is running, so that it may be spared."""
        if not self.waiting or (one_by_one and self.running):
            return None
        index = self.waiting.pop(0)
        self.running.add(index)
        return self.handle(index), self.cells[index]

    def handle(self, index: int) -> SeedTrial:
        """Return the trial as the scheduler holds it for one seed."""
        return SeedTrial(self.trial, index, self.reported if self.by_epoch and index == 0 else None)


def index_of(trial: TrialHandle) -> int:
    """Return which of its trial's seeds a run has."""
    return trial.index if isinstance(trial, SeedTrial) else 0


class OpenTrials(Source):
    """Those of one process. A trial is told the mean of its runs' figures, or pruned, or failed and says `why`.

    One that failed without saying why was interrupted with its process or its machine, does not count as made, and its
    configuration is asked for again. `troubles` counts trials that have given nothing without a run that failed now.
    """

    def __init__(self) -> None:
        self.open: dict[int, Attempt] = {}
        self.troubles = 0
        self.again: dict[str, FailedAttempt] = {}
        self._refused: set[str] = set()

    def requeue(self, trial: TrialHandle, cell: Cell) -> None:  # noqa: ARG002
        """Put an interrupted run first among those to be started; its trial goes on where the run does."""
        if (attempt := self.open.get(trial.number)) is not None:
            attempt.running.discard(index_of(trial))
            attempt.waiting.insert(0, index_of(trial))

    def complete(self, trial: TrialHandle, error: float) -> None:
        """Take the figure of one run, in percent; after the last seed's the trial is told their mean."""
        if (attempt := self.open.get(trial.number)) is not None:
            self.take(attempt, index_of(trial), error)

    def take(self, attempt: Attempt, index: int, figure: float) -> None:
        """Take the figure of one seed, in percent; tell the trial when it has all of them or is to be pruned."""
        attempt.running.discard(index)
        attempt.figures[index] = figure
        objectives = len(self.optuna.directions)
        over_seeds = len(attempt.cells) > 1 and not attempt.by_epoch and objectives == 1
        with suppress(UpdateFinishedTrialError):  # closed by another process, which took this one for dead
            if over_seeds:
                with_retries(lambda: attempt.trial.report(figure, index))
            if len(attempt.figures) == len(attempt.cells):
                self.open.pop(attempt.trial.number, None)
                values = [fmean(attempt.figures.values()), *self._macs(attempt)][:objectives]
                with_retries(lambda: self.optuna.tell(attempt.trial, values, skip_if_finished=True))
            elif over_seeds and with_retries(attempt.trial.should_prune):
                self.close_trial(attempt.trial, TrialState.PRUNED)

    def _macs(self, attempt: Attempt) -> list[float]:
        """Return the second objective: what `lightning_bam.network` counts, from the first run's result."""
        result = RunFolder.of(self.root, attempt.cells[0].run).result()
        return [] if result is None else [float(result.macs)]

    def lease(self, run: Run) -> Lease | None:
        """Return the lease of a claimed run, or None where somebody else has it."""
        lease = self.leases.take(run, again=self.again.pop(run.key, None))
        if lease is None:
            self._refused.add(run.key)
        return lease

    def fail(self, trial: TrialHandle) -> None:
        """Close a trial whose run has failed or is another's; any other run was interrupted, and is asked for again."""
        attempt = self.open.get(trial.number)
        if attempt is None:
            return
        run = attempt.cells[index_of(trial)].run
        if RunFolder.of(self.root, run).state() == "failed":
            self.close_trial(attempt.trial, TrialState.FAIL, RUN_FAILED)
        elif run.key in self._refused:
            self._refused.discard(run.key)
            self.close_trial(attempt.trial, TrialState.FAIL, ANOTHERS)
        else:
            with_retries(lambda: self.interrupt(attempt.trial))

    def leave(self, trial: TrialHandle, cell: Cell) -> None:
        """Close the trial of a run that somebody else trains, and do not ask for it again."""
        self._refused.add(cell.run.key)
        self.fail(trial)

    def interrupt(self, trial: Trial) -> None:
        """Close a trial as interrupted, and ask for its configuration again."""
        with self.leases.exclusively():
            self.close_trial(trial, TrialState.FAIL)
            requeue(self.optuna, trial)

    def prune(self, trial: TrialHandle) -> bool:
        """Say whether a run should stop: its trial has been closed, or is pruned now, unless the run has finished."""
        attempt = self.open.get(trial.number)
        if attempt is None:
            return True
        if not isinstance(trial, SeedTrial) or trial.reported is None:
            return False
        with suppress(UpdateFinishedTrialError):
            done = RunFolder.of(self.root, attempt.cells[trial.index].run).state() == "complete"
            if with_retries(attempt.trial.should_prune) and not done:
                self.close_trial(attempt.trial, TrialState.PRUNED)
        return trial.number not in self.open

    def close_trial(self, trial: Trial, state: TrialState, why: str = "") -> None:
        """Close a trial without a figure, as pruned or failed; one that failed and does not say why was interrupted."""
        self.open.pop(trial.number, None)
        self.troubles += state == TrialState.FAIL and why not in ("", RUN_FAILED, *HARMLESS)
        with suppress(UpdateFinishedTrialError):
            if why:
                with_retries(lambda: trial.set_user_attr("why", why))
            with_retries(lambda: self.optuna.tell(trial, state=state, skip_if_finished=True))

    def send_heartbeat(self, trials: Iterable[TrialHandle]) -> None:
        """Send a heartbeat for every open trial, whether or not one of its runs is running right now."""
        super().send_heartbeat([*trials, *(attempt.trial for attempt in list(self.open.values()))])
