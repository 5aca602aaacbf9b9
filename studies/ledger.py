"""A study as an Optuna study: rows x seeds are enqueued trials, a free slot claims the next one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_bam.folder import RunFolder
from studies.parameters import distributions, parameters, suggest
from studies.records import Record
from studies.storage import journal
from studies.study import Cell, Study


class Ledger:
    """The trials of one study.

    Args:
        root: the runs folder; its journal file holds every study.
        study: the study.

    Raises:
        FolderError: the root cannot be written.

    """

    def __init__(self, root: Path, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.root = root
        self.label = study.label
        self.cells = {cell.run.key: cell for cell in study.runs()}
        self.distributions = distributions((*study.scientific, "seed"), [c.run for c in self.cells.values()])
        self.optuna = optuna.create_study(
            storage=journal(root),
            study_name=study.label,
            sampler=optuna.samplers.RandomSampler(),
            pruner=optuna.pruners.NopPruner(),
            direction="minimize",
            load_if_exists=True,
        )
        if not self.optuna.user_attrs:
            self.optuna.set_user_attr("objective", "error_top1 in percent")
            self.optuna.set_user_attr("question", study.question)
            self.optuna.set_user_attr("fixed", study.fixed())

    def bring_up_to_date(self, records: Sequence[Record], wanted: Sequence[Record]) -> None:
        """Make the trials agree with the folders, then enqueue what is wanted and not enqueued yet.

        A trial that claims to be running while nobody trains its run was lost; a finished run that another study
        trained becomes a finished trial here.
        """
        trials = self.optuna.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                self._settle(trial)
        done = self._told()
        for record in records:
            if record.result is not None and record.run.key not in done:
                self._enqueue(Cell(record.row, record.run))
        waiting = {t.user_attrs.get("key") for t in trials if t.state == TrialState.WAITING}
        for record in wanted:
            if record.run.key not in waiting:
                self._enqueue(Cell(record.row, record.run))

    def _told(self) -> set[str]:
        """Return the keys of the runs whose error has been told."""
        complete = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {trial.user_attrs.get("key", "") for trial in complete}

    def _settle(self, trial: FrozenTrial) -> None:
        """Close a trial that claims to be running, unless somebody trains its run."""
        folder = RunFolder(self.root / trial.user_attrs.get("key", "none"))
        state, result = folder.state(), folder.result()
        if result is not None:
            self.optuna.tell(trial.number, result.error_top1, skip_if_finished=True)
        elif state != "running":
            self.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _enqueue(self, cell: Cell) -> None:
        values = parameters(cell.run, self.distributions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.optuna.enqueue_trial(dict(values), user_attrs={"key": cell.run.key, "row": cell.row})

    def requeue(self, cell: Cell) -> None:
        """Enqueue a run once more."""
        self._enqueue(cell)

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next enqueued run that is not finished yet, or None where none is left.

        Trials of runs that are finished already are told their figure on the way.
        """
        while self.optuna.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            trial = self.optuna.ask()
            cell = self.cells.get(trial.user_attrs.get("key", ""))
            if cell is None:  # of a row or seed that the study no longer has
                self.fail(trial)
                continue
            suggest(trial, parameters(cell.run, self.distributions), self.distributions)
            folder = RunFolder.of(self.root, cell.run)
            result = folder.result()
            if result is None:
                return trial, cell
            if cell.run.key in self._told():  # by another scheduler: once is enough
                self.fail(trial)
                continue
            for line in folder.metrics():
                trial.report(line["error_top1"], line["epoch"])
            self.complete(trial, result.error_top1)
        return None

    def complete(self, trial: Trial, error: float) -> None:
        """Tell the reported error, in percent; a trial that another scheduler has closed meanwhile stays closed."""
        self.optuna.tell(trial, error, skip_if_finished=True)

    def fail(self, trial: Trial) -> None:
        """Close a trial whose run failed, was lost, or is trained elsewhere."""
        self.optuna.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def prune(self, trial: Trial) -> bool:  # noqa: ARG002
        """Never: a table holds complete runs only."""
        return False
