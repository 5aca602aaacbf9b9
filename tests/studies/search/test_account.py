"""What counts as made in a search, what is tried once more, what is waited for, and what is said of the rest."""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import replace

import pytest

from lightning_bam.config import BAMSpec
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import locked
from studies import Space, StudyError
from studies.coordination.process_lock import FOLDER
from studies.search import search as search_module
from studies.search.choices import Integer, Real
from studies.search.method import Method
from studies.search.run_search import best, run_search
from studies.search.search import Search
from studies.search.trials import troubles
from tests.studies.conftest import BASE, silent
from tests.studies.search.surrogate import drive, search_for

FOUR = replace(BASE, recipe=replace(BASE.recipe, epochs=4), attention=BAMSpec(reduction=4))
SIX = Space(
    name="six",
    question="Which BAM?",
    base=FOUR,
    choices={"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max", "product")},
)


def flat(run, epoch):
    return 50.0 - epoch


@pytest.fixture
def at_once(monkeypatch):
    """Look for lost trials without a pause."""
    monkeypatch.setattr(search_module, "LOOK", 0.0)
    monkeypatch.setattr(search_module, "LOOK", 0.0)


def test_the_scheduler_asks_no_pruner_when_the_last_epoch_has_begun(tmp_path, one_slot, monkeypatch):
    asked = []
    monkeypatch.setattr(Search, "prune", lambda search, trial: bool(asked.append(trial.number)))
    search = Search(tmp_path, SIX, Method(trials=1, pruner="median"))
    assert len(run_search(search, one_slot, silent).finished) == 1
    assert asked == [0, 0], "after the first two of four epochs"


@pytest.mark.parametrize(("epochs", "pruner"), [(3, "none"), (4, "median")])
def test_a_pruner_by_epochs_is_taken_where_it_can_stop_something(tmp_path, epochs, pruner):
    short = replace(SIX, base=replace(FOUR, recipe=replace(FOUR.recipe, epochs=epochs)))
    assert search_for(tmp_path, Method(), short).pruner == pruner
    longest = replace(short, choices={**short.choices, "recipe.epochs": ("3", "4")})
    assert search_for(tmp_path, Method(), longest).pruner == "median"
    if pruner == "none":
        with pytest.raises(StudyError, match=r"^--pruner asha: compares epochs, and with recipe\.epochs=3 it can stop"):
            search_for(tmp_path, Method(pruner="asha"), short)


def test_brute_force_tries_what_other_samplers_have_left(tmp_path):
    """TPE draws some configurations twice; those count once, and what the choices' order is does not matter."""
    drawn = drive(search_for(tmp_path, Method(trials=12, pruner="none"), SIX), flat)
    first = Search(tmp_path, SIX, Method(trials=12, pruner="none"))
    tried = {run.key for run in drive(first, flat).tried}
    assert drawn.trials
    turned = replace(SIX, choices=dict(reversed(SIX.choices.items())))
    rest = drive(Search(tmp_path, turned, Method(sampler="brute", pruner="none")), flat)
    keys = [run.key for run in rest.tried]
    assert not set(keys) & tried
    assert len(set(keys) | tried) == 6
    assert Search(tmp_path, SIX, Method(sampler="brute", pruner="none")).remaining == 0


def test_brute_force_goes_on_where_the_choices_order_has_changed(tmp_path):
    method = Method(sampler="brute", pruner="none", trials=2)
    first = drive(Search(tmp_path, SIX, method), flat).tried
    turned = replace(SIX, choices=dict(reversed(SIX.choices.items())))
    rest = drive(Search(tmp_path, turned, replace(method, trials=None)), flat).tried
    assert (len(first), len(rest), len({run.key for run in (*first, *rest)})) == (2, 4, 6)


def test_a_failed_run_is_tried_again_only_when_asked_for(tmp_path, at_once):
    one = replace(SIX, choices={"attention.reduction": ("2", "4")})
    search = Search(tmp_path, one, Method(sampler="brute", pruner="none"))
    trial, cell = search.claim()
    lease = search.lease(cell.run)
    lease.folder.note(state="failed", error="broke")
    lease.let_go()
    search.fail(trial)
    drive(search, flat)
    assert troubles(search.optuna.get_trials()) == Counter({"its run failed": 1})
    assert Search(tmp_path, one, Method(sampler="brute", pruner="none")).remaining == 0
    again = Search(tmp_path, one, Method(sampler="brute", pruner="none"), again=True)
    assert again.remaining == 1
    retried, same = again.claim()
    assert same == cell
    lease = again.lease(same.run)
    assert lease is not None, "what has failed is taken"
    lease.let_go()
    again.complete(retried, 20.0)
    assert again.remaining == 0
    assert troubles(again.optuna.get_trials()) == Counter()
    assert best(again)[0].value == 20.0


def test_a_lost_configuration_waits_until_its_run_has_died(tmp_path, at_once, monkeypatch):
    """Its process dies slowly and still holds the folder's lock when the configuration is asked for again."""
    one = replace(SIX, choices={"attention.reduction": ("2", "4")})
    search = Search(tmp_path, one, Method(sampler="brute", pruner="none"))
    trial, cell = search.claim()
    folder = RunFolder.of(tmp_path, cell.run)
    folder.describe(cell.run)
    dying = folder.acquire()
    search.fail(trial)  # lost with its machine
    monkeypatch.setattr(search_module, "LOOK", 60.0)
    assert search.claim() is None
    assert search.waits(), "it comes back"
    assert search.claim() is None, "and is not asked for every fifth of a second"
    assert len(search.optuna.get_trials()) == 3
    os.close(dying)
    search.rest_until = 0.0
    assert search.claim()[1] == cell
    folder.acquire()
    search.fail(search.open[2].trial)
    search.dying = {cell.run.key: -1e9}
    assert search.claim()[1] != cell, "one that does not die is another's"
    assert troubles(search.optuna.get_trials()) == Counter()


def test_a_search_waits_for_what_others_try(tmp_path, at_once, capsys):
    one = replace(SIX, choices={"attention.reduction": ("2", "4")})
    method = Method(sampler="brute", pruner="none")
    other, mine = Search(tmp_path, one, method), Search(tmp_path, one, method, wait_for_others=True)
    theirs = [other.claim(), other.claim()]
    assert mine.claim() is None
    assert mine.waits()
    assert not Search(tmp_path, one, method).waits(), "without --confirm nothing is waited for"
    for trial, _ in theirs:
        other.complete(trial, 20.0)
    mine.rest_until = None
    assert not mine.waits()
    assert capsys.readouterr().err == "bam: search+six: waiting for what others try (2 trials)\n"


def test_a_search_takes_over_what_others_lose(tmp_path, one_slot, monkeypatch):
    monkeypatch.setattr(search_module, "LOOK", 0.1)
    monkeypatch.setattr(search_module, "LOOK", 0.1)
    one = replace(SIX, choices={"attention.reduction": ("2", "4")})
    other = Search(tmp_path, one, Method(trials=1, sampler="brute", pruner="none"))
    other.claim()
    mine = Search(tmp_path, one, Method(trials=1, sampler="brute", pruner="none"), wait_for_others=True)
    threading.Timer(0.5, other.owner.let_go).start()
    progress = run_search(mine, one_slot, silent)
    assert len(progress.finished) == 1
    assert len(best(mine)) == 1


def test_progress_goes_on_where_the_last_call_ended(tmp_path, one_slot):
    seen = []
    for trials in (1, 2):
        search = Search(tmp_path, SIX, Method(trials=trials, sampler="brute", pruner="none"))
        run_search(search, one_slot, lambda p: seen.append((len(p.before) + len(p.finished), p.total)))
    assert seen[-1] == (2, 2)
    assert (1, 2) in seen
    assert search.optuna.get_trials()[0].user_attrs["by"] == "brute, pruner none"


def test_an_owner_s_file_goes_with_it(tmp_path):
    search = Search(tmp_path, SIX, Method(trials=1))
    (file,) = (tmp_path / FOLDER).iterdir()
    assert locked(file)
    search.owner.let_go()
    assert not list((tmp_path / FOLDER).iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "space: name=3: use letters"),
        ({"name": ""}, "space: name='': use letters"),
        ({"name": "../x y"}, "space: name='../x y': use letters"),
        ({"name": "x" * 200}, f"space: name='{'x' * 39} ...: use letters"),
        ({"base": replace(FOUR, score_on="held_out")}, "six: score_on='held_out' is the search's own to choose"),
        ({"choices": {}}, "six: choices={}: dictionary should have at least 1 item"),
        (
            {"choices": {"attention.reduction": ("2", "2", "4")}},
            "six: attention.reduction has ['2', '2', '4']: give at least two values, each once",
        ),
        ({"choices": {"attention.reduction": Real(1, 4)}}, "six: attention.reduction=Real(low=1, high=4"),
    ],
)
def test_a_space_that_could_not_be_searched_or_confirmed_is_refused(changes, message):
    with pytest.raises(StudyError) as error:
        replace(SIX, **changes)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Integer("1", "4"), "integer: low='1': input should be a valid integer"),
        (lambda: Integer(1, 4, step=1.5), "integer: step=1.5: input should be a valid integer"),
        (lambda: Integer(True, 4), "integer: low=True: input should be a valid integer"),
        (lambda: Real("0.1", "0.2"), "real: low='0.1': give a finite number"),
        (lambda: Real(0.1, float("inf")), "real: high=inf: give a finite number"),
        (lambda: Real(0.1, 0.2, step="x"), "real: step='x': give a finite number"),
    ],
)
def test_a_range_of_what_is_no_number_is_refused(make, message):
    with pytest.raises(StudyError, match=message):
        make()
