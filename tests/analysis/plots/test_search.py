"""The figures of a search show the trials that it has, and refuse where there are too few."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from analysis.plots.plot import NoPlot
from analysis.plots.search import search_plots
from lightning_bam.config import BAMSpec
from lightning_bam.run_folder.result import headline
from studies import Space
from studies.search.begun import Begun
from studies.search.choices import Real
from tests.analysis.plots.artists import clipped, labels, overlapping, points
from tests.studies.conftest import BASE

SPACE = Space(
    name="mine",
    question="Which?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={
        "attention.branches": ("both", "channel"),
        "attention.reduction": ("2", "4", "8"),
        "attention.dilation": ("1", "2"),
        "recipe.lr": Real(0.01, 1.0, log=True),
    },
)
OF = {
    "attention.branches": CategoricalDistribution(("both", "channel")),
    "attention.reduction": CategoricalDistribution(("2", "4", "8")),
    "attention.dilation": CategoricalDistribution(("1", "2")),
    "recipe.lr": FloatDistribution(0.01, 1.0, log=True),
}


def trial(place, values=None, state=TrialState.COMPLETE, seen=None, **attrs):
    """Return a trial of the space; every other one has no spatial branch."""
    params = {"attention.branches": ("both", "channel")[place % 2], "attention.reduction": "248"[place % 3]}
    params |= {"attention.dilation": "12"[place % 4 // 2]} if place % 2 == 0 else {}
    params |= {"recipe.lr": 0.01 * (1 + 7 * place % 90)}
    attrs = {"key": SPACE.run(params).key} | attrs
    kept = {name: OF[name] for name in params}
    return create_trial(
        params=params, distributions=kept, values=values, state=state, intermediate_values=seen or {}, user_attrs=attrs
    )


def begun(trials, directions=("minimize",)):
    """Return a search with these trials."""
    study = optuna.create_study(directions=directions)
    study.add_trials(trials)
    return Begun(study, SPACE, "search+mine", headline(SPACE.base), 30)


def drawn(search):
    """Return the figures, and why others are missing."""
    plots = dict(search_plots(search))
    return (
        {name: plot for name, plot in plots.items() if not isinstance(plot, NoPlot)},
        {name: plot.reason for name, plot in plots.items() if isinstance(plot, NoPlot)},
    )


FEW = [
    trial(0, [30.0]),
    trial(1, [40.0]),
    trial(2, None, TrialState.PRUNED, {0: 80.0, 1: 35.0}),
    trial(3, [25.0]),
    trial(4, None, TrialState.PRUNED, {0: 80.0}),
    trial(5, None, TrialState.FAIL, why="its run failed"),
    trial(6, [26.0]),
]


def test_a_history_has_each_trial_the_best_until_then_and_what_was_pruned():
    figures, missing = drawn(begun(FEW))
    (axes,) = figures["history"].figure.axes
    assert points(axes, "_complete") == [(1, 30), (2, 40), (4, 25), (7, 26)]
    assert points(axes, "_best until then") == [(1, 30), (4, 25), (7, 25)]
    assert points(axes, "_pruned") == [(3, 35)], "its last figure"
    assert points(axes, "_pruned, beyond the frame") == [(5, pytest.approx(40 + 0.08 * 15))]
    assert figures["history"].alt.endswith(
        "4 complete trials: the first 30, the best 25 at trial 4; 2 pruned, 1 without a figure."
    )
    assert axes.get_ylabel() == "held-out top-1 error (%)"
    assert missing == {"importance": "it takes 20 complete trials, and there are 4"}


@pytest.mark.parametrize(("trials", "count"), [([], "are none"), (FEW[:1], "is 1")])
def test_too_few_trials_are_refused(trials, count):
    assert drawn(begun(trials)) == (
        {},
        {
            "history": f"it takes 2 complete trials, and there {count}",
            "importance": f"it takes 20 complete trials, and there {count}",
        },
    )


def test_importance_finds_the_knob_that_matters_and_says_which_not_every_trial_has():
    cost = {"2": 0.0, "4": 5.0, "8": 9.0}
    trials = [trial(place, [20 + cost["248"[place % 3]] + 0.01 * (place % 7)]) for place in range(60)]
    figures, _ = drawn(begun(trials))
    plot = figures["importance"]
    (axes,) = plot.figure.axes
    assert axes.get_yticklabels()[0].get_text() == "attention.reduction"
    assert max(points(axes, "_fANOVA"))[1] == 0, "in the uppermost line"
    assert len(points(axes, "_fANOVA")) == 3, "dilation is not of every trial"
    assert "Not every trial has attention.dilation" in plot.caption
    assert "n = 60 complete trials" in plot.caption
    flat = [trial(place, [20.0]) for place in range(30)]
    assert drawn(begun(flat))[1] == {"importance": "so many trials are equally good that none stands out"}


def test_a_front_has_the_configurations_that_no_other_beats_in_both():
    costs = [(30.0, 2e6), (25.0, 4e6), (28.0, 5e6), (20.0, 8e6), (30.0, 9e6)]
    search = begun([trial(at, values) for at, values in enumerate(costs)], ("minimize", "minimize"))
    figures, missing = drawn(search)
    assert sorted(figures) == ["front", "history"]
    assert list(missing) == ["importance"]
    (axes,) = figures["front"].figure.axes
    assert points(axes, "_front") == [(2, 30), (4, 25), (8, 20)]
    assert labels(axes, "_named ") == [
        "branches=channel, reduction=2, lr=0.22",
        "branches=channel, reduction=4, lr=0.08",
        "branches=both, reduction=2, dilation=1, lr=0.01",
    ]
    assert len(points(axes, "_complete")) == 5
    assert "branches=channel, reduction=4, lr=0.08: 25.00 at 4 M" in figures["front"].alt


def test_no_text_is_clipped_or_covers_another():
    trials = [trial(at, [30 - at / 9, (1 + at) * 1e7]) for at in range(40)]
    figures, missing = drawn(begun(trials, ("minimize", "minimize")))
    assert missing == {}
    for plot in figures.values():
        assert clipped(plot.figure) == []
        assert overlapping(plot.figure) == []
    assert len(labels(figures["front"].figure.axes[0], "_named ")) == 8
    assert figures["front"].caption.endswith("Named are the best 8.")
