"""Samplers and pruners driven through a real search without training: what they find, spare, refuse and remember."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from statistics import fmean

import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from lightning_bam.config import BAMSpec, DigitScenes, FasterRCNN
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import Result
from studies import Space, StudyError
from studies.search import search as search_module
from studies.search.choices import Integer, Real, ends
from studies.search.method import Method
from studies.search.run_search import best
from studies.search.search import Search
from studies.storage import optuna_storage
from tests.studies.conftest import BASE
from tests.studies.search.surrogate import EPOCHS, PLANTED, SPACE, curve, drive, limit, search_for
from tests.test_architecture import loaded_by

SMALL = Space(
    name="small",
    question="Which BAM?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={"attention.branches": ("both", "channel", "spatial"), "attention.dilation": ("1", "2", "4")},
)
"""Seven configurations: 3 + 1 + 3."""


def last_error(run, epoch):
    return 50.0 - epoch


def test_the_planted_optimum_is_the_best_there_is(tmp_path):
    assert limit(PLANTED) == 20.0
    drawn = drive(search_for(tmp_path, Method(sampler="random", pruner="none", trials=40))).tried
    assert len(drawn) == 40
    assert min(limit(run) for run in drawn) > 20.0


def test_tpe_with_asha_finds_the_optimum_in_fewer_trials_than_random_and_in_half_the_epochs(tmp_path):
    """The quick form of tests/benchmarks/search.py: 3 seeds for its 20."""
    budget, found, shares = 100, {"tpe": [], "random": []}, []
    for seed in range(3):
        for sampler, pruner in (("tpe", "asha"), ("random", "none")):
            search = search_for(tmp_path, Method(sampler=sampler, pruner=pruner, trials=budget, seed=seed))
            spent = drive(search, stop=lambda spent: spent.found_at is not None and spent.trials >= 50)
            found[sampler].append(spent.found_at or budget + 1)
            if sampler == "tpe":
                shares.append(spent.share_pruned)
    assert fmean(found["tpe"]) < fmean(found["random"])
    assert sum(t < r for t, r in zip(found["tpe"], found["random"], strict=True)) >= 2
    assert fmean(shares) >= 0.5, "of the epochs that whole runs would have cost"


@pytest.mark.parametrize(("sampler", "wanted"), [("tpe", 14), ("gp", 8), ("random", 14), ("qmc", 14)])
def test_every_sampler_leaves_idle_knobs_alone_and_keeps_the_number_of_trials(tmp_path, sampler, wanted):
    search = search_for(tmp_path, Method(sampler=sampler, trials=wanted, pruner="none"))
    spent = drive(search, lambda run, epoch: limit(run), slots=3)
    trials = search.optuna.get_trials()
    assert spent.trials + sum("why" in trial.user_attrs for trial in trials) == len(trials) == wanted
    for trial in trials:
        run = SPACE.configuration(trial.params)
        assert ("attention.dilation" in trial.params) == (run.attention.branches != "channel")
        assert ("attention.combine" in trial.params) == (run.attention.branches == "both")
        assert ("placement.stages" in trial.params) == (run.placement.kind == "after_stages")
    assert best(search)[0].value == pytest.approx(min(limit(run) for run in spent.tried))


def test_brute_force_tries_everything_once_and_ends(tmp_path):
    search = search_for(tmp_path, Method(sampler="brute", pruner="none"), SMALL)
    assert search.trials == 7
    spent = drive(search, last_error, slots=2)
    assert len({run.key for run in spent.tried}) == spent.trials == len(search.optuna.get_trials()) == 7
    assert search.claim() is None
    few = search_for(tmp_path, Method(sampler="brute", pruner="none", trials=5), SMALL)
    assert drive(few, last_error).trials == 5


def test_nsga2_looks_for_the_front_of_error_and_macs(tmp_path):
    def finish(run, epoch):
        """Channel branches are cheap and poor, spatial ones dear and good, both at once dominated."""
        error, macs = {"channel": (30.0, 100), "spatial": (20.0, 200), "both": (40.0, 300)}[run.attention.branches]
        error += run.attention.dilation if run.attention.branches != "channel" else 0
        folder = RunFolder.of(tmp_path, run)
        folder.describe(run)
        result = {"error_top1": error, "error_top5": 0.0, "correct_top1": 1, "correct_top5": 1, "loss": 1.0}
        folder.finish(Result(**result, scored=100, epochs=2, params=1, macs=macs, seconds=1.0))
        folder.append_epoch({"epoch": epoch, "error_top1": error})
        return error

    search = search_for(tmp_path, Method(sampler="nsga2", trials=40), SMALL)
    assert search.pruner == "none"
    spent = drive(search, finish)
    assert spent.trials <= 7, "a configuration that is finished is told from its folder"
    assert [trial.values for trial in best(search, 40)] == [[21.0, 200.0], [30.0, 100.0]]
    assert len(search.optuna.get_trials()) == 40


def test_what_cannot_go_together_is_refused(tmp_path):
    detecting = replace(SMALL, base=replace(SMALL.base, dataset=DigitScenes(), backbone=FasterRCNN()))
    for space, method, message in (
        (
            SPACE,
            Method(sampler="brute"),
            "--sampler brute: recipe.lr is from a continuum, which no list ends; give its",
        ),
        (
            SMALL,
            Method(sampler="nsga2", pruner="asha"),
            "--sampler nsga2 --pruner asha: two objectives cannot be pruned",
        ),
        (
            detecting,
            Method(pruner="hyperband"),
            "--pruner hyperband: compares epochs, and detection is scored only after",
        ),
        (
            SMALL,
            Method(pruner="wilcoxon", seeds=4),
            "--pruner wilcoxon --seeds 4: it compares seeds, and with fewer than 5",
        ),
    ):
        with pytest.raises(StudyError, match=message) as error:
            search_for(tmp_path, method, space)
        assert "\n" not in str(error.value)
    search = search_for(tmp_path, Method(), detecting)
    assert (search.pruner, search.optuna.direction.name) == ("none", "MAXIMIZE")


def test_a_detector_is_searched_for_the_highest_map(tmp_path):
    detecting = replace(SMALL, base=replace(SMALL.base, dataset=DigitScenes(), backbone=FasterRCNN()))
    search = search_for(tmp_path, Method(sampler="brute"), detecting)
    spent = drive(search, lambda run, epoch: 10.0 * run.attention.dilation + len(run.attention.branches))
    assert spent.trials == 7
    assert [trial.value for trial in best(search, 2)] == [47.0, 47.0], "spatial, and channel, at dilation 4"


def test_wilcoxon_spares_seeds_of_a_worse_configuration(tmp_path):
    """Each run's figure is told as a step of its trial; the fifth seed of the worse ones is not run."""
    search = search_for(tmp_path, Method(sampler="brute", pruner="wilcoxon", seeds=6, seed=1), SMALL)

    def by_seed(run, epoch):
        return 20.0 + run.attention.dilation * (run.attention.branches != "channel") + 0.01 * run.seed

    spent = drive(search, by_seed)
    complete = search.optuna.get_trials(states=(TrialState.COMPLETE,))
    pruned = search.optuna.get_trials(states=(TrialState.PRUNED,))
    assert len(complete) + len(pruned) == 7
    assert pruned
    assert {len(trial.intermediate_values) for trial in complete} == {6}
    assert {len(trial.intermediate_values) for trial in pruned} == {4}, "1/2^4 < 0.1"
    assert spent.trials == 6 * len(complete) + 4 * len(pruned)
    assert best(search)[0].params == {"attention.branches": "channel"}
    assert best(search)[0].value == pytest.approx(20.0 + fmean(0.01 * seed for seed in range(6)))


def test_an_epoch_pruner_goes_by_the_first_seed(tmp_path):
    search = search_for(tmp_path, Method(sampler="random", pruner="asha", trials=12, seeds=2))
    spent = drive(search)
    trials = search.optuna.get_trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(pruned) >= 3
    assert len(complete) >= 2
    for trial in complete:
        runs = [replace(SPACE.run(trial.params), seed=seed) for seed in (0, 1)]
        assert trial.value == pytest.approx(fmean(curve(run, EPOCHS - 1) for run in runs))
    seconds = {run.key for run in spent.tried if run.seed == 1}
    assert not seconds & {replace(SPACE.run(trial.params), seed=1).key for trial in pruned}


def test_the_last_seeds_run_side_by_side(tmp_path):
    one = replace(SMALL, choices={"attention.branches": ("both", "channel")})
    search = search_for(tmp_path, Method(sampler="brute", seeds=3, trials=1), one)
    claimed = [search.claim() for _ in range(4)]
    assert [cell.run.seed for _, cell in claimed[:3]] == [0, 1, 2], "nothing else is left to do"
    assert claimed[3] is None
    search.requeue(*claimed[1])
    assert search.claim()[1] == claimed[1][1]
    for trial, cell in claimed[:3]:
        search.complete(trial, float(cell.run.seed))
    (trial,) = search.optuna.get_trials()
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 1.0)


def test_draws_do_not_repeat_after_a_restart(tmp_path):
    one = Method(sampler="random", pruner="none", trials=6, seed=3)
    first = drive(Search(tmp_path / "a", SPACE, one)).tried
    assert [r.key for r in drive(Search(tmp_path / "b", SPACE, one)).tried] == [r.key for r in first], (
        "seed 3 is seed 3"
    )
    again = drive(Search(tmp_path / "a", SPACE, replace(one, trials=12))).tried
    assert len({run.key for run in (*first, *again)}) == 12
    other = drive(Search(tmp_path / "c", SPACE, replace(one, seed=4))).tried
    assert not {run.key for run in first} & {run.key for run in other}


CHILD = """
import sys
from pathlib import Path
from studies.search.method import Method
from studies.search.search import Search
from tests.studies.search.surrogate import SPACE, drive
search = Search(Path(sys.argv[1]), SPACE, Method(trials=int(sys.argv[2]), pruner="asha"), *sys.argv[3:])
print("ready", flush=True)
sys.stdin.readline()
print(drive(search, slots=2).trials)
search.close()
"""


@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_two_processes_ask_for_as_many_trials_as_were_wanted(tmp_path, kind, request):
    url = [] if kind == "journal" else [request.getfixturevalue("postgres")]
    command = [sys.executable, "-c", CHILD, str(tmp_path), "24", *url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [child.stdout.readline() for child in both] == ["ready\n"] * 2
    for child in both:
        child.stdin.write("\n")
        child.stdin.flush()
    made = [int(child.communicate()[0]) for child in both]
    search = Search(tmp_path, SPACE, Method(trials=24), *url)
    trials = search.optuna.get_trials()
    search.close()
    assert len(trials) == sum(made) == 24
    assert all(trial.state.is_finished() for trial in trials)
    assert min(made) > 0
    assert len({trial.user_attrs["key"] for trial in trials}) == 24, "and none draws what the other has drawn"


@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_what_a_dead_process_asked_for_is_asked_for_again(tmp_path, kind, request):
    """A process is killed with -9 while two of its trials run; the next one asks for exactly their values."""
    url = [] if kind == "journal" else [request.getfixturevalue("postgres")]
    script = (
        CHILD.partition('print("ready"')[0] + "\nsearch.claim(); search.claim(); print(1, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), "4", *url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"1\n"
    beside = Search(tmp_path, SPACE, Method(trials=4), *url)
    assert beside.remaining == 2, "its owner lives"
    lost = beside.optuna.get_trials()
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    search = Search(tmp_path, SPACE, Method(trials=4), *url)
    assert search.remaining == 4
    again = [search.claim()[1].run for _ in range(2)]
    assert [run.key for run in again] == [SPACE.run(trial.params).key for trial in lost]
    assert search.remaining == 2
    third = Search(tmp_path, SPACE, Method(trials=4), *url)
    assert third.remaining == 2, "and asked for once"
    for one in (beside, search, third):
        one.close()


def test_a_trial_of_another_host_is_left_alone_until_it_shows_no_life(tmp_path, postgres, monkeypatch):
    """Hosts share the database and no folder: a heartbeat tells the living from the dead, no file does."""
    monkeypatch.setattr(search_module, "LOOK", 0.0)
    there = Search(tmp_path / "there", SPACE, Method(trials=4), postgres)
    trial, cell = there.claim()
    here = Search(tmp_path / "here", SPACE, Method(trials=4), postgres)
    assert not here.requeue_interrupted()
    assert here.remaining == 3
    long_ago = sa.text("update trial_heartbeats set heartbeat = heartbeat - interval '1 hour'")
    with here.storage.engine.begin() as connection:
        connection.execute(long_ago)
    with monkeypatch.context() as patch:
        patch.setattr(optuna_storage.outage, "away", time.monotonic() - 30)
        assert not here.requeue_interrupted(), "while the database was away nobody could send a heartbeat"
    assert here.requeue_interrupted()
    assert here.remaining == 4
    assert here.claim()[1].run == cell.run
    there.complete(trial, 10.0)
    assert [one.state.name for one in here.optuna.get_trials()] == ["FAIL", "RUNNING"], "its own word comes too late"
    for one in (there, here):
        one.close()


def test_a_lost_run_is_gone_on_with_and_an_interrupted_one_asked_for_again(tmp_path):
    search = search_for(tmp_path, Method(trials=2), SMALL)
    trial, cell = search.claim()
    trial.report(40.0, 0)
    search.requeue(trial, cell)
    same, again = search.claim()
    assert (same.number, again) == (trial.number, cell), "the run goes on from its checkpoint, and so does its trial"
    same.report(40.0, 0)
    same.report(35.0, 1)
    search.fail(same)  # Ctrl-C: neither failed nor another's
    assert search.remaining == 2
    third, asked = search.claim()
    assert (third.number, asked) == (1, cell)
    RunFolder.of(tmp_path, cell.run).describe(cell.run)
    RunFolder.of(tmp_path, cell.run).note(state="failed")
    search.fail(third)
    assert search.remaining == 1, "a failed one counts as made"


def test_a_run_that_was_faster_than_its_pruner_counts_whole(tmp_path):
    longer = replace(SMALL, base=replace(SMALL.base, recipe=replace(SMALL.base.recipe, epochs=4)))
    search = search_for(tmp_path, Method(sampler="brute", pruner="asha"), longer)
    for _ in range(4):
        drive(search, lambda run, epoch: 40.0, stop=lambda spent: spent.trials == 1)
    trial, cell = search.claim()
    figures = {"error_top1": 30.0, "error_top5": 0.0, "correct_top1": 1, "correct_top5": 1, "loss": 1.0}
    for epoch in (0, 1):
        trial.report(50.0, epoch)
    assert trial.trial.should_prune()
    RunFolder.of(tmp_path, cell.run).describe(cell.run)
    RunFolder.of(tmp_path, cell.run).finish(Result(**figures, scored=9, epochs=4, params=1, macs=1, seconds=1.0))
    assert not search.prune(trial)
    search.complete(trial, 30.0)
    assert best(search)[0].value == 30.0
    slow, cell = search.claim()
    for epoch in (0, 1):
        slow.report(60.0, epoch)
    assert search.prune(slow), "one that is still running is stopped"


def test_another_space_of_the_same_name_is_refused(tmp_path):
    Search(tmp_path, SMALL, Method())
    with pytest.raises(
        StudyError, match="was begun with attention.dilation=1, 2, 4, now it has 1, 2; give the space an"
    ):
        Search(tmp_path, replace(SMALL, choices={**SMALL.choices, "attention.dilation": ("1", "2")}), Method())
    with pytest.raises(StudyError, match="was begun with recipe.lr=None, now it has Real"):
        Search(tmp_path, replace(SMALL, choices={**SMALL.choices, "recipe.lr": Real(0.1, 0.2)}), Method())
    assert Search(tmp_path, SMALL, Method(seeds=3)).label == "search+small+seeds=3", "means of three are another search"


def test_a_search_whose_values_meant_other_runs_is_refused(tmp_path):
    search = Search(tmp_path, SMALL, Method())
    trial, cell = search.claim()
    Search(tmp_path, SMALL, Method())
    trial.trial.set_user_attr("key", "0" * 16)
    with pytest.raises(StudyError, match=r"trial 0 \(.*\) was run 0{16} when it was asked for and would now be "):
        Search(tmp_path, SMALL, Method())
    assert search.space.run(trial.trial.params).key == cell.run.key


def test_values_that_cannot_stand_together_cost_a_trial_each(tmp_path):
    wrong = replace(
        SMALL, choices={"attention.combine": ("sum", "product"), "attention.init": ("torch", "zero")}, name="wrong"
    )
    search = search_for(tmp_path, Method(sampler="brute"), wrong)
    assert drive(search, last_error).trials == 3
    (failed,) = search.optuna.get_trials(states=(TrialState.FAIL,))
    assert "never learns" in failed.user_attrs["why"]


def test_a_range_ends_at_the_last_value_that_a_step_reaches():
    assert ends(Integer(2, 5, step=2)) == (2, 4)
    assert ends(Integer(2, 6, step=2)) == (2, 6)
    assert ends(Real(0.1, 0.4, step=0.2)) == (0.1, 0.3)
    assert ends(Real(0.1, 0.4)) == (0.1, 0.4)


def test_integers_are_drawn_in_steps(tmp_path):
    counted = replace(SMALL, choices={"attention.dilated_convs": Integer(1, 5, step=2)}, name="counted")
    tried = drive(search_for(tmp_path, Method(sampler="brute"), counted), last_error).tried
    assert {run.attention.dilated_convs for run in tried} == {1, 3, 5}


def test_only_the_gaussian_process_loads_torch_here(tmp_path):
    code = f"""
from pathlib import Path
from tests.studies.search.test_trials import SMALL, Method, last_error
from tests.studies.search.surrogate import drive, search_for
for sampler in ("tpe", "random", "qmc", "brute"):
    drive(search_for(Path({str(tmp_path)!r}), Method(sampler=sampler, trials=6, pruner="none"), SMALL), last_error)
"""
    assert not set(loaded_by(code)) & {"torch", "pandas", "wandb"}
