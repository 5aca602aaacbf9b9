"""How many trials a method makes, and from which epoch on its pruner stops one."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from lightning_bam.config import BAMSpec
from studies import Space
from studies.search.choices import Real
from studies.search.method import Method
from studies.search.pruners import make_pruner
from tests.studies.conftest import BASE

SIX = Space(
    name="six",
    question="Which BAM?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={"attention.combine": ("sum", "max"), "attention.dilation": ("1", "2", "4")},
)
ENDLESS = replace(SIX, choices={"recipe.lr": Real(0.01, 1.0)})


@pytest.mark.parametrize(("asked", "made"), [(None, 6), (5, 5), (6, 6), (7, 6), (30, 6)])
def test_brute_force_has_no_more_trials_than_configurations(asked, made):
    assert Method(sampler="brute", trials=asked).trials_for(SIX) == made


@pytest.mark.parametrize("space", [SIX, ENDLESS], ids=["six", "endless"])
def test_other_samplers_have_as_many_trials_as_were_asked_for_or_thirty(space):
    assert [Method(trials=asked).trials_for(space) for asked in (7, None)] == [7, 30]


@pytest.mark.parametrize(("epochs", "rung"), [(2, 1), (27, 1), (81, 3), (200, 7)])
def test_successive_halving_begins_three_rungs_below_the_last_epoch(epochs, rung):
    study = optuna.create_study(pruner=make_pruner("asha", epochs))
    for error in (10.0, 20.0, 90.0):
        trial = study.ask()
        told = []
        for step in range(1, rung + 1):
            trial.report(error, step)
            told.append(trial.should_prune())
    assert told == [False] * (rung - 1) + [True], "the worst of three"
