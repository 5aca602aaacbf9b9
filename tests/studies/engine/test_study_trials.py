"""The account of a study's runs: however many schedulers died over a run, one trial tells it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from optuna.trial import TrialState

from lightning_bam.config import AfterStages, BAMSpec
from studies.coordination.location import Place
from studies.engine import study_trials as settling
from studies.engine.study_trials import StudyTrials
from studies.records.records import gather
from tests.analysis.synthetic import finish
from tests.studies.conftest import BASE, tiny

BAM = replace(BASE, attention=BAMSpec(reduction=4))


def at_stage(number):
    return replace(BAM, placement=AfterStages(stages=(number,)))


def states(root, study):
    """Return what a scheduler that begins now makes of the trials."""
    with closing(StudyTrials(root, study)) as account:
        account.bring_up_to_date(gather(study, root))
        return [trial.state for trial in account.optuna.get_trials()]


def test_a_finished_run_whose_schedulers_died_gets_one_complete_trial(tmp_path):
    study = tiny(seeds=1)
    cell = study.runs()[0]
    with closing(StudyTrials(tmp_path, study)) as dead:
        first, last = dead.begin_trial(cell), dead.begin_trial(cell)
    finish(tmp_path, cell.run, 12.5)
    ends = [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    assert states(tmp_path, study) == ends
    assert states(tmp_path, study) == ends, "and nothing is added"
    with closing(StudyTrials(tmp_path, study)) as account:
        complete = account.optuna.get_trials()[2]
        figures = {line["epoch"]: line["error_top1"] for line in gather(study, tmp_path)[0].metrics}
        assert (complete.value, complete.intermediate_values) == (12.5, figures)
        assert complete.user_attrs["home"] == str(Place.of(tmp_path))
        account.complete(first, 12.5)
        account.complete(last, 12.5)
    assert states(tmp_path, study) == ends, "nor by who wakes up late"


def test_a_run_that_has_a_complete_trial_gets_no_other(tmp_path):
    study = tiny(seeds=1)
    cell = study.runs()[0]
    with closing(StudyTrials(tmp_path, study)) as account:
        account.begin_trial(cell)
        finish(tmp_path, cell.run, 12.5)
        account.complete(account.begin_trial(cell), 12.5)
    assert states(tmp_path, study) == [TrialState.FAIL, TrialState.COMPLETE]


def test_a_trial_of_a_run_that_nobody_trains_gave_nothing(tmp_path):
    study = tiny(seeds=1)
    with closing(StudyTrials(tmp_path, study)) as account:
        account.begin_trial(study.runs()[0])
    assert states(tmp_path, study) == [TrialState.FAIL]


def test_a_trial_is_begun_in_one_line_of_the_journal(tmp_path):
    study = tiny(seeds=1)
    with closing(StudyTrials(tmp_path, study)) as account:
        account.bring_up_to_date([])
        journal = tmp_path / "studies.journal"
        before = len(journal.read_text().splitlines())
        trial = account.begin_trial(study.runs()[1])
        (line,) = journal.read_text().splitlines()[before:]
    assert trial.user_attrs == {"key": study.runs()[1].run.key, "row": "BAM", "home": str(Place.of(tmp_path))}
    assert all(word in line for word in (study.runs()[1].run.key, "BAM", str(Place.of(tmp_path)), "attention"))


class HostGoneError(Exception):
    """The host dies at this moment."""


def test_a_trial_of_a_host_that_died_before_its_first_sign_of_life_is_closed_by_another(
    tmp_path, postgres, monkeypatch
):
    """It would never be silent, since it never spoke."""
    study = tiny(seeds=1)

    def gone(_self, _trials):
        raise HostGoneError

    with closing(StudyTrials(tmp_path / "there", study, postgres)) as theirs, monkeypatch.context() as patch:
        patch.setattr(StudyTrials, "send_heartbeat", gone)
        with pytest.raises(HostGoneError):
            theirs.begin_trial(study.runs()[0])
    with closing(StudyTrials(tmp_path / "here", study, postgres)) as ours:
        ours.bring_up_to_date(gather(study, tmp_path / "here"))
        assert [trial.state for trial in ours.optuna.get_trials()] == [TrialState.RUNNING], "it may be about to speak"
        monkeypatch.setattr(settling, "GRACE", -1)
        ours.bring_up_to_date(gather(study, tmp_path / "here"))
        assert [trial.state for trial in ours.optuna.get_trials()] == [TrialState.FAIL]


def test_a_trial_of_another_host_that_has_spoken_is_left_alone(tmp_path, postgres, monkeypatch):
    study = tiny(seeds=1)
    monkeypatch.setattr(settling, "GRACE", -1)  # for those that have not
    with (
        closing(StudyTrials(tmp_path / "there", study, postgres)) as theirs,
        closing(StudyTrials(tmp_path / "here", study, postgres)) as ours,
    ):
        assert theirs.begin_trial(study.runs()[0]).user_attrs["home"] == str(Place.of(tmp_path / "there"))
        ours.bring_up_to_date(gather(study, tmp_path / "here"))
        assert [trial.state for trial in ours.optuna.get_trials()] == [TrialState.RUNNING]


def test_a_trial_of_a_host_that_is_named_alike_is_left_alone(tmp_path, postgres, monkeypatch):
    """Two machines of one name, each with a folder of the same path on its own disk."""
    study = tiny(seeds=1)
    monkeypatch.setattr(settling, "GRACE", -1)
    with closing(StudyTrials(tmp_path / "runs", study, postgres)) as theirs:
        theirs.begin_trial(study.runs()[0])
        (tmp_path / "runs").rename(tmp_path / "on another disk")
        with closing(StudyTrials(tmp_path / "runs", study, postgres)) as ours:
            ours.bring_up_to_date(gather(study, tmp_path / "runs"))
            assert [trial.state for trial in ours.optuna.get_trials()] == [TrialState.RUNNING]


def clash(root, url):
    """Two schedulers of a study that grows between their starts; return what their trials call the stages."""
    scientific = ("attention", "placement.stages")
    small = tiny(rows={"none": BASE, "all": BAM, "1": at_stage(1)}, scientific=scientific, seeds=1)
    grown = tiny(rows={**small.rows, "2": at_stage(2)}, scientific=scientific, seeds=1)
    none, whole, first = small.runs()
    with closing(StudyTrials(root, small, url)) as earlier, closing(StudyTrials(root, grown, url)) as later:
        earlier.begin_trial(none)
        later.begin_trial(whole)
        earlier.begin_trial(first)
        later.begin_trial(grown.runs()[3])
        return [
            (trial.params.get("placement.stages"), trial.user_attrs.get("placement.stages"))
            for trial in later.optuna.get_trials()
        ]


STAGES = [(None, None), ("None", None), (None, "1"), ("2", None)]
"""The first trial that has the parameter says which choices there are; a value beside them is a mark."""


def test_choices_that_another_scheduler_has_settled_are_kept(tmp_path):
    assert clash(tmp_path, None) == STAGES


def test_choices_that_another_host_has_settled_are_kept(tmp_path, postgres):
    assert clash(tmp_path, postgres) == STAGES
