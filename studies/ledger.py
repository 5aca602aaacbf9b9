"""A study as an Optuna study: each run is a trial, so that any Optuna tool can read what was asked and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_bam.config import Run
from lightning_bam.folder import RunFolder
from studies.headline import headline, reported, so_far
from studies.panels import telling_apart
from studies.parameters import Given, distributions, parameters, suggest
from studies.records import Record
from studies.storage import journal
from studies.study import Cell, Study


class Ledger:
    """The trials of one study, and the runs of it that are still to be claimed.

    What is wanted is decided here and now, from the folders; Optuna keeps the account. (A queue of enqueued trials in
    the storage would be shared by every caller, and a call with `--only` would eat what another one waits for.)

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
        self.wanted: list[Cell] = []
        factors = (*telling_apart(study.rows, study.within), *study.scientific, "seed")
        self.distributions = distributions(factors, [cell.run for cell in study.runs()])
        self.given = Given()
        self.metric = headline(next(iter(study.rows.values())))
        self.optuna = optuna.create_study(
            storage=journal(root),
            study_name=study.label,
            sampler=self.given,
            pruner=optuna.pruners.NopPruner(),
            direction="maximize" if self.metric.higher_is_better else "minimize",
            load_if_exists=True,
        )
        if not self.optuna.user_attrs:
            self.optuna.set_user_attr("objective", f"{self.metric.name} in percent")
            self.optuna.set_user_attr("question", study.question)
            self.optuna.set_user_attr("fixed", study.fixed())

    def bring_up_to_date(self, records: Sequence[Record], wanted: Sequence[Record]) -> None:
        """Make the trials agree with the folders, and take note of what is wanted.

        A trial that claims to be running while nobody trains its run was lost; a finished run that another study
        trained becomes a finished trial here.
        """
        trials = self.optuna.get_trials(deepcopy=False)
        for trial in trials:
            settle(self.optuna, self.root, trial)
        open_states = (TrialState.COMPLETE, TrialState.RUNNING)
        known = {trial.user_attrs.get("key") for trial in trials if trial.state in open_states}
        for record in records:
            if record.result is not None and record.run.key not in known:
                told = self._ask(Cell(record.row, record.run))
                report(told, record.run, record.metrics)
                self.complete(told, reported(record.run, record.result))
        self.wanted = [Cell(record.row, record.run) for record in wanted]

    def _ask(self, cell: Cell) -> Trial:
        self.given.values = parameters(cell.run, self.distributions)
        trial = self.optuna.ask()
        trial.set_user_attr("key", cell.run.key)
        trial.set_user_attr("row", cell.row)
        suggest(trial, self.given.values, self.distributions)
        return trial

    def claim(self) -> tuple[Trial, Cell] | None:
        """Take the next wanted run that nobody has finished meanwhile, or None where none is left."""
        while self.wanted:
            cell = self.wanted.pop(0)
            if RunFolder.of(self.root, cell.run).result() is None:
                return self._ask(cell), cell
        return None

    def requeue(self, trial: Trial, cell: Cell) -> None:
        """Close a lost run's trial and put the run back."""
        self.fail(trial)
        self.wanted.append(cell)

    def complete(self, trial: Trial, error: float) -> None:
        """Tell the reported figure, in percent; a trial that another scheduler has closed meanwhile stays closed."""
        self.optuna.tell(trial, error, skip_if_finished=True)

    def fail(self, trial: Trial) -> None:
        """Close a trial whose run failed or is trained elsewhere."""
        self.optuna.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def prune(self, trial: Trial) -> bool:  # noqa: ARG002
        """Never: a table holds complete runs only."""
        return False


def settle(study: optuna.Study, root: Path, trial: FrozenTrial) -> None:
    """Close a trial that claims to be running, unless somebody trains its run: with its figure if there is one."""
    if trial.state != TrialState.RUNNING:
        return
    folder = RunFolder(root / trial.user_attrs.get("key", "none"))
    state, result = folder.state(), folder.result()
    if result is not None:
        study.tell(trial.number, reported(folder.run(), result), skip_if_finished=True)
    elif state != "running":
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def report(trial: Trial, run: Run, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Report each epoch's figure to a trial."""
    for line in metrics:
        figure = so_far(run, line)
        if figure is not None:
            trial.report(figure, line["epoch"])
