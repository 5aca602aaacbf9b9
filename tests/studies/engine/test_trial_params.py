"""Runs as Optuna parameters, and what happens when a study grows."""

from __future__ import annotations

from dataclasses import replace

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_bam.config import AfterStages, BAMSpec
from studies.coordination.location import Place
from studies.engine.study_trials import StudyTrials
from studies.engine.trial_params import distributions, parameters
from studies.records.records import gather
from tests.studies.conftest import BASE, tiny

BAM = replace(BASE, attention=BAMSpec(reduction=4))
FIRST = replace(BAM, placement=AfterStages(stages=(1,)))
KINDS = (
    "bam",
    "cbam",
    "coordinate_attention",
    "eca",
    "extra_block",
    "gather_excite",
    "global_context",
    "se",
    "simam",
    "timm",
    "triplet_attention",
    "none",
)


def test_distributions_admit_all_that_the_type_does():
    other = replace(BAM, attention=BAMSpec(reduction=2), recipe=replace(BASE.recipe, lr=0.5))
    names = ("attention", "attention.reduction", "attention.combine", "attention.residual", "recipe.lr", "seed")
    found = distributions(names, [BASE, BAM, other])
    assert found == {
        "attention": CategoricalDistribution(KINDS),
        "attention.reduction": IntDistribution(2, 4),
        "attention.combine": CategoricalDistribution(("sum", "product", "max")),
        "attention.residual": CategoricalDistribution((False, True)),
        "recipe.lr": FloatDistribution(0.1, 0.5),
        "seed": IntDistribution(0, 2**31 - 1),
    }
    assert parameters(BASE, found) == {"attention": "none", "recipe.lr": 0.1, "seed": 0}
    assert parameters(other, found)["attention.reduction"] == 2


def test_lists_become_text():
    found = distributions(("placement.stages",), [BAM, FIRST])
    assert found == {"placement.stages": CategoricalDistribution(("1", "None"))}
    assert parameters(BAM, found) == {"placement.stages": "None"}


def study_trials(root, study):
    made = StudyTrials(root, study)
    records = gather(study, root)
    made.bring_up_to_date(records)
    made.enqueue(records)
    return made


def claimed(made):
    """Claim as the scheduler does, and let the lease go as if the run's processes had ended."""
    taken = made.claim()
    if taken is not None:
        made.lease(taken[1].run).let_go()
    return taken


def test_every_wanted_run_is_claimed_once(tmp_path):
    made = study_trials(tmp_path, tiny())
    order = []
    while taken := claimed(made):
        trial, cell = taken
        order.append((cell.row, cell.run.seed))
        assert trial.user_attrs == {"key": cell.run.key, "row": cell.row, "home": str(Place.of(tmp_path))}
        assert trial.params == {"attention": "none" if cell.row == "none" else "bam", "seed": cell.run.seed}
        made.fail(trial)
    assert order == [("none", 0), ("BAM", 0), ("none", 1), ("BAM", 1)]


def test_a_narrower_call_takes_nothing_from_a_wider_one(tmp_path):
    wide, narrow = study_trials(tmp_path, tiny(seeds=2)), study_trials(tmp_path, tiny(seeds=1))
    assert [claimed(narrow)[1].run.seed for _ in range(2)] == [0, 0]
    assert claimed(narrow) is None
    assert [claimed(wide)[1].run.seed for _ in range(4)] == [0, 0, 1, 1]


def test_what_somebody_else_has_is_passed_over(tmp_path):
    ours, theirs = study_trials(tmp_path, tiny(seeds=1)), study_trials(tmp_path, tiny(seeds=1))
    _, cell = theirs.claim()
    assert cell.row == "none"
    assert [claimed(ours)[1].row, claimed(ours)] == ["BAM", None]
    assert [other.row for other in ours.others] == ["none"]
    theirs.lease(cell.run).let_go()


def test_a_trial_whose_run_nobody_trains_was_lost(tmp_path):
    first = study_trials(tmp_path, tiny())
    trial, _ = claimed(first)
    again = study_trials(tmp_path, tiny())
    assert {t.number: t.state.name for t in again.optuna.get_trials()} == {trial.number: "FAIL"}
    first.complete(trial, 12.0)  # too late, and no error


def test_a_lost_run_is_put_back(tmp_path):
    made = study_trials(tmp_path, tiny(seeds=1))
    trial, cell = claimed(made)
    made.requeue(trial, cell)
    assert [claimed(made)[1].row for _ in range(2)] == ["BAM", "none"]


def test_a_study_may_grow(tmp_path):
    """New values of a list-like knob cannot join the old distribution in Optuna: they become user attributes."""
    scientific = ("attention", "placement.stages")
    small = tiny(rows={"none": BASE, "all": BAM, "1": FIRST}, scientific=scientific, seeds=1)
    made = study_trials(tmp_path, small)
    while taken := claimed(made):
        made.complete(taken[0], 50.0)
    second = replace(BAM, placement=AfterStages(stages=(2,)))
    grown = tiny(rows={**small.rows, "2": second}, scientific=scientific, seeds=1)
    made = study_trials(tmp_path, grown)
    trials = []
    while taken := claimed(made):
        trials.append(taken[0])
        made.complete(taken[0], 40.0)
    assert trials[-1].user_attrs["row"] == "2"
    assert trials[-1].user_attrs["placement.stages"] == "2"
