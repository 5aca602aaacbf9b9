"""The account of a study's runs: however many schedulers died over a run, one trial tells it."""

from __future__ import annotations

from contextlib import closing

from optuna.trial import TrialState

from studies.ledger import Ledger
from studies.records import gather
from tests.analysis.synthetic import finish
from tests.studies.conftest import tiny


def states(root, study):
    """Return what a scheduler that begins now makes of the trials."""
    with closing(Ledger(root, study)) as ledger:
        ledger.bring_up_to_date(gather(study, root))
        return [trial.state for trial in ledger.optuna.get_trials()]


def test_of_two_trials_that_schedulers_left_open_the_last_one_tells_the_run(tmp_path):
    study = tiny(seeds=1)
    cell = study.runs()[0]
    with closing(Ledger(tmp_path, study)) as dead:
        first, last = dead._ask(cell), dead._ask(cell)
    finish(tmp_path, cell.run, 12.5)
    assert states(tmp_path, study) == [TrialState.FAIL, TrialState.COMPLETE]
    assert states(tmp_path, study) == [TrialState.FAIL, TrialState.COMPLETE], "and nothing is added"
    with closing(Ledger(tmp_path, study)) as ledger:
        assert [trial.value for trial in ledger.optuna.get_trials()] == [None, 12.5]
        ledger.complete(first, 12.5)
        ledger.complete(last, 12.5)
    assert states(tmp_path, study) == [TrialState.FAIL, TrialState.COMPLETE], "nor told by who wakes up late"


def test_a_run_that_one_trial_has_told_is_not_told_by_another(tmp_path):
    study = tiny(seeds=1)
    cell = study.runs()[0]
    with closing(Ledger(tmp_path, study)) as ledger:
        ledger._ask(cell)
        finish(tmp_path, cell.run, 12.5)
        ledger.complete(ledger._ask(cell), 12.5)
    assert states(tmp_path, study) == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_of_a_run_that_nobody_trains_gave_nothing(tmp_path):
    study = tiny(seeds=1)
    with closing(Ledger(tmp_path, study)) as ledger:
        ledger._ask(study.runs()[0])
    assert states(tmp_path, study) == [TrialState.FAIL]
