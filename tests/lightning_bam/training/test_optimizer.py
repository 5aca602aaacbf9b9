"""The learning rate by hand."""

from dataclasses import replace

import pytest

from lightning_bam import Recipe, Run
from lightning_bam.training.optimizer import lr_factor


def changes(recipe, steps):
    """Epochs at whose first step the factor is another than one step before, with the new factor."""
    factors = [lr_factor(recipe, step, steps) for step in range(recipe.epochs * steps)]
    return {step / steps: factors[step] for step in range(1, len(factors)) if factors[step] != factors[step - 1]}


@pytest.mark.parametrize("steps", [1, 7])
def test_the_public_recipe_changes_after_epochs_60_120_and_160(steps):
    assert lr_factor(Recipe(), 0, steps) == 1
    assert changes(Recipe(), steps) == {60: 0.2, 120: pytest.approx(0.04), 160: pytest.approx(0.008)}


def test_milestones_are_fractions_of_the_run():
    assert changes(Recipe(epochs=10, gamma=0.5), 3) == {3: 0.5, 6: 0.25, 8: 0.125}
    assert changes(Recipe(epochs=10, milestones=(0.5,), gamma=0.1), 3) == {5: 0.1}
    assert changes(Recipe(epochs=10, milestones=()), 3) == {}
    assert changes(Recipe(epochs=90, milestones=(1 / 3, 2 / 3), gamma=0.1), 2) == {30: 0.1, 60: pytest.approx(0.01)}


def test_no_milestone_comes_before_the_first_epoch_is_over():
    assert [lr_factor(Recipe(epochs=1, milestones=(0.3,)), step, 4) for step in range(4)] == [1, 1, 1, 1]
    assert changes(Recipe(epochs=4, milestones=(0.1,), gamma=0.5), 4) == {1: 0.5}


def test_cosine():
    recipe = Recipe(epochs=4, schedule="cosine")
    quarter = 0.5 * (1 + 0.5**0.5)
    expected = [1, quarter, 0.5, 1 - quarter, 0]
    assert [lr_factor(recipe, epoch * 5, 5) for epoch in range(5)] == pytest.approx(expected, abs=1e-15)


def test_constant():
    assert changes(Recipe(epochs=9, schedule="constant"), 2) == {}
    assert lr_factor(Recipe(schedule="constant"), 0, 2) == 1


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
def test_warm_up_rises_in_equal_steps_to_one(schedule):
    recipe = Recipe(epochs=10, schedule=schedule, warmup_epochs=1)
    factors = [lr_factor(recipe, step, 4) for step in range(5)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])


def test_cosine_after_a_warm_up_spans_what_is_left():
    recipe = Recipe(epochs=5, schedule="cosine", warmup_epochs=1)
    assert lr_factor(recipe, 3 * 4, 4) == pytest.approx(0.5)
    assert lr_factor(recipe, 5 * 4, 4) == pytest.approx(0, abs=1e-15)


def test_a_warm_up_of_half_an_epoch():
    recipe = Recipe(epochs=10, schedule="constant", warmup_epochs=0.5)
    assert [lr_factor(recipe, step, 4) for step in range(3)] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
def test_a_run_of_nothing_but_warm_up_has_an_end(schedule):
    # torch's scheduler asks for the factor once after the last step
    recipe = Recipe(epochs=1, schedule=schedule, warmup_epochs=1, milestones=(0.9,))
    assert lr_factor(recipe, 4, 4) in (1, 0.2)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_a_schedule_that_warms_up_to_its_end_is_the_constant_one(schedule):
    warming = Recipe(epochs=3, warmup_epochs=3.0, schedule=schedule, gamma=0.5)
    constant = Recipe(epochs=3, warmup_epochs=3.0, schedule="constant")
    assert [lr_factor(warming, step, 5) for step in range(15)] == [lr_factor(constant, step, 5) for step in range(15)]
    assert Run(recipe=warming).key == Run(recipe=constant).key
    shorter = replace(warming, warmup_epochs=2.0)
    assert Run(recipe=shorter).key != Run(recipe=replace(constant, warmup_epochs=2.0)).key
