"""Searches for real: TPE on held-out data, pruning by the median, continuing, and staying out of tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from lightning_bam.config import BAMSpec, ConfigError
from lightning_bam.folder import RunFolder
from studies import Space, StudyError
from studies.search import Search, run_search
from tests.studies.conftest import BASE, silent


def space(**changes):
    fields = {
        "name": "tiny",
        "question": "Which BAM?",
        "base": replace(BASE, attention=BAMSpec(reduction=4, dilation=1)),
        "choices": {"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max")},
    }
    return Space(**fields | changes)


def test_a_search_selects_on_held_out_data_and_goes_on(tmp_path, two_slots):
    search = Search(tmp_path, space(), trials=3)
    progress = run_search(search, two_slots, silent)
    assert len(progress.finished) >= 1
    assert len(search.optuna.get_trials()) == 3
    best = search.best()
    assert best[0].value == min(trial.value for trial in best)
    for trial in best:
        folder = RunFolder(tmp_path / trial.user_attrs["key"])
        assert folder.run().score_on == "held_out"
        assert folder.result().scored == 260, "a fifth of 1,297 train images, class by class"
        assert trial.value == folder.result().error_top1
        assert str(folder.run().attention.reduction) == trial.params["attention.reduction"]
    assert run_search(search, two_slots, silent).finished == []
    more = Search(tmp_path, space(), trials=5)
    assert more.left == 2
    run_search(more, two_slots, silent)
    assert more.left == 0
    assert len(more.optuna.get_trials()) == 5


def test_a_hopeless_trial_is_stopped_early(tmp_path, one_slot):
    """Four finished good trials stand in the journal; a run that learns nothing must not be trained to its end."""
    long = replace(BASE, recipe=replace(BASE.recipe, epochs=30, lr=1e-7, schedule="constant"))
    hopeless = space(base=replace(long, attention=BAMSpec(reduction=4)))
    search = Search(tmp_path, hopeless, trials=5)
    for _ in range(4):
        trial = search.optuna.ask()
        for name, values in hopeless.choices.items():
            trial.suggest_categorical(name, values)
        for epoch in range(30):
            trial.report(5.0, epoch)
        search.optuna.tell(trial, 5.0)
    progress = run_search(search, one_slot, silent)
    assert len(progress.pruned) == 1
    (pruned,) = search.optuna.get_trials(states=(TrialState.PRUNED,))
    folder = RunFolder(tmp_path / pruned.user_attrs["key"])
    assert folder.state() == "pruned"
    assert folder.result() is None
    assert 2 <= len(folder.metrics()) < 30


def test_a_search_that_fails_ends(tmp_path, two_slots):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30), attention=BAMSpec(reduction=4))
    search = Search(tmp_path, space(base=wild), trials=3)
    progress = run_search(search, two_slots, silent)
    assert 1 <= len(progress.failed) <= 3
    assert search.left == 0
    assert search.best() == []


def test_a_lost_trial_is_asked_for_again(tmp_path):
    search = Search(tmp_path, space(), trials=2)
    trial, cell = search.claim()
    search.requeue(trial, cell)
    again, same = search.claim()
    assert (again.number, same) == (trial.number + 1, cell)
    assert search.left == 1
    Search(tmp_path, space(), trials=2)  # nobody trains it: settled
    assert search.optuna.get_trials()[again.number].state == TrialState.FAIL


def test_a_corner_that_cannot_be_trained_is_said_first(tmp_path, one_slot):
    with pytest.raises(ConfigError, match="row 'attention.reduction=8': layer 'layer1': reduction=8: 4 channels"):
        run_search(Search(tmp_path, space(choices={"attention.reduction": ("4", "8")}), trials=2), one_slot, silent)


def test_spaces_are_checked():
    with pytest.raises(StudyError, match=r"tiny: attention.reduction has \['4'\]: give at least two values"):
        space(choices={"attention.reduction": ("4",)})
    with pytest.raises(ConfigError, match=r"attention.combine='mean': input should be 'sum', 'product' or 'max'"):
        space(choices={"attention.combine": ("sum", "mean")})
    with pytest.raises(StudyError, match="--set attention.combine: tiny searches over it or fixes it"):
        space().override({"attention.combine": "sum"})
    with pytest.raises(StudyError, match="tiny: no preset 'small'; it has none"):
        space().at("small")
    assert space().override({"recipe.epochs": "7"}).base.recipe.epochs == 7
    assert space().override({"recipe.epochs": "7"}).name == "tiny+recipe.epochs=7"
    assert space().size == 4
    assert space().label(space().base) == "reduction=4 combine=sum"
