"""Searches for real: TPE on held-out data, pruning, going on, and staying out of tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from analysis.table.counted import tables_of
from lightning_bam.config import BAMSpec, ConfigError
from lightning_bam.run_folder.folder import RunFolder
from studies import Space, StudyError
from studies.job.devices import Slot
from studies.records.records import gather
from studies.search.confirm import confirmation
from studies.search.method import Method
from studies.search.run_search import best, run_search
from studies.search.search import Search
from tests.studies.conftest import BASE, silent


def space(**changes):
    fields = {
        "name": "tiny",
        "question": "Which BAM?",
        "base": replace(BASE, attention=BAMSpec(reduction=4, dilation=1)),
        "choices": {"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max")},
    }
    return Space(**fields | changes)


def test_a_search_selects_on_held_out_data_goes_on_and_stays_out_of_tables(tmp_path, two_slots):
    search = Search(tmp_path, space(), Method(trials=3))
    progress = run_search(search, two_slots, silent)
    assert len(progress.finished) >= 1
    assert len(search.optuna.get_trials()) == 3
    found = best(search)
    assert found[0].value == min(trial.value for trial in found)
    for trial in found:
        folder = RunFolder(tmp_path / trial.user_attrs["key"])
        assert folder.run().score_on == "held_out"
        assert folder.result().scored == 260, "a fifth of 1,297 train images, class by class"
        assert trial.value == folder.result().error_top1
        assert str(folder.run().attention.reduction) == trial.params["attention.reduction"]
    assert run_search(search, two_slots, silent).finished == []
    more = Search(tmp_path, space(), Method(trials=5))
    assert more.remaining == 2
    run_search(more, two_slots, silent)
    assert more.remaining == 0
    assert len(more.optuna.get_trials()) == 5
    study = confirmation(search.space, [trial.params for trial in found], 1, search.label)
    left = RunFolder.of(tmp_path, study.runs()[1].run)
    left.describe(study.runs()[1].run)
    left.append_epoch({"epoch": 0, "error_top1": 1.0})
    left.note(state="pruned")
    (table,) = tables_of([(study, gather(study, tmp_path))])
    assert [row.n for row in table.rows] == [0] * len(study.rows), "neither searched nor pruned runs count"
    assert table.rows[1].states["pruned"] == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_hopeless_trial_is_stopped_early_on_every_rank(tmp_path, one_slot, ranks):
    """Four finished good trials stand in the journal; a run that learns nothing must not be trained to its end."""
    long = replace(BASE, recipe=replace(BASE.recipe, epochs=30, lr=1e-7, schedule="constant"))
    hopeless = space(base=replace(long, attention=BAMSpec(reduction=4)))
    search = Search(tmp_path, hopeless, Method(trials=5))
    for _ in range(4):
        trial = search.optuna.ask()
        for name, values in hopeless.choices.items():
            trial.suggest_categorical(name, values)
        for epoch in range(30):
            trial.report(5.0, epoch)
        search.optuna.tell(trial, 5.0)
    progress = run_search(search, replace(one_slot, slots=[Slot(ranks)]), silent)
    assert len(progress.pruned) == 1
    (pruned,) = search.optuna.get_trials(states=(TrialState.PRUNED,))
    folder = RunFolder(tmp_path / pruned.user_attrs["key"])
    assert folder.state() == "pruned"
    assert folder.result() is None
    assert folder.manifest().world_size == ranks
    epochs = folder.metrics()
    assert 2 <= len(epochs) < 30
    assert pruned.value == pruned.intermediate_values[pruned.last_step], "told with its last figure"
    again = Search(tmp_path, hopeless, Method(trials=6))
    again.optuna.enqueue_trial(pruned.params)
    assert again.claim() is None, "a configuration that was pruned is told so, not trained on"
    assert again.optuna.get_trials()[-1].state == TrialState.PRUNED


def test_a_search_that_fails_ends(tmp_path, two_slots):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30), attention=BAMSpec(reduction=4))
    search = Search(tmp_path, space(base=wild), Method(trials=3))
    progress = run_search(search, two_slots, silent)
    assert 1 <= len(progress.failed) <= 3
    assert search.remaining == 0
    assert best(search) == []
    assert {trial.user_attrs["why"] for trial in search.optuna.get_trials()} <= {
        "its run failed",
        "this configuration has failed before",
        "this configuration is being tried already",
    }


def test_seeds_of_a_configuration_are_runs_of_one_trial(tmp_path, two_slots):
    search = Search(tmp_path, space(choices={"attention.reduction": ("2", "4")}), Method(sampler="brute", seeds=2))
    progress = run_search(search, two_slots, silent)
    assert len(progress.finished) == 4
    assert sorted(cell.run.seed for cell, _ in progress.finished) == [0, 0, 1, 1]
    for trial in search.optuna.get_trials():
        runs = [RunFolder.of(tmp_path, replace(search.space.run(trial.params), seed=seed)) for seed in (0, 1)]
        errors = [folder.result().error_top1 for folder in runs]
        assert trial.value == pytest.approx(sum(errors) / 2)


def test_a_corner_that_cannot_be_trained_is_said_first(tmp_path, one_slot):
    corner = space(choices={"attention.reduction": ("4", "8")})
    with pytest.raises(ConfigError, match="^configuration 'attention.reduction=8': layer 'layer1': reduction=8: 4 "):
        run_search(Search(tmp_path, corner, Method(trials=2)), one_slot, silent)
    mended = Search(tmp_path, space(), Method(trials=1))
    assert len(run_search(mended, one_slot, silent).finished) == 1, "nothing was tried: its name is free"
    with pytest.raises(StudyError, match="tiny: was begun with attention.reduction=2, 4, now it has 4, 8; give"):
        Search(tmp_path, corner, Method(trials=1))
