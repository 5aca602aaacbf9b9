"""Which rows of a study form a factorial, and what comes of them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest

from analysis.factorial.columns import explained
from analysis.factorial.factors import answer, factors_of
from analysis.factorial.study import factorial_of
from analysis.formats.legend import FAILED
from analysis.statistics.factorial import factorial
from lightning_bam.config import BAMSpec, Recipe, ResNet18, ResNet50, Run, SESpec
from studies.definition.study import Study
from studies.library import find_study
from studies.records.records import gather
from studies.search.importance import importance
from tests.analysis.synthetic import STUDY, finish, interrupt

BAM = {
    f"{combine}, {norm}": Run(attention=BAMSpec(combine=combine, norm=norm))
    for combine in ("sum", "max")
    for norm in ("ends", "hidden")
}
CROSSED = Study(
    name="crossed",
    question="Which combination, and which norm?",
    rows={"none": Run(), **BAM},
    baseline="none",
    scientific=("attention", "attention.combine", "attention.norm"),
    seeds=3,
)
EFFECT = {"none": 0.0, "sum, ends": -2.0, "sum, hidden": -1.0, "max, ends": -1.0, "max, hidden": 2.0}


def write(root, study, leave=()):
    """Finish every run: 20 %, the row's effect, a seed's shift, and a residual that no model explains."""
    for row, run in study.runs():
        if (row, run.seed) not in leave:
            residual = 0.1 if (row in ("sum, ends", "max, hidden")) == (run.seed % 2 == 0) else -0.1
            finish(root, run, 20 + EFFECT[row] + 0.5 * run.seed + residual)
    return gather(study, root)


def test_the_rows_that_cross_the_factors_are_taken_apart(tmp_path):
    found = factorial_of(CROSSED, write(tmp_path, CROSSED))
    assert found.factors == {"attention.combine": ("sum", "max"), "attention.norm": ("ends", "hidden")}
    # the residuals of the two rows of any level are opposite
    assert {(each.level, each.n): each.mean for each in found.levels} == {
        ("sum", 6): pytest.approx(19.0),
        ("max", 6): pytest.approx(21.0),
        ("ends", 6): pytest.approx(19.0),
        ("hidden", 6): pytest.approx(21.0),
    }
    assert [(each.name, each.df) for each in found.anova] == [
        ("attention.combine", 1),
        ("attention.norm", 1),
        ("attention.combine x attention.norm", 1),
        ("seeds", 2),
        ("residual", 6),
    ]
    assert found.gaps == []
    assert found.left_out == {"none": ("attention.combine", "attention.norm")}
    assert found.importance == {}, "12 runs tell none"


def test_what_is_not_finished_is_a_gap(tmp_path):
    leave = {("max, ends", seed) for seed in range(3)} | {("sum, hidden", 1)}
    found = factorial_of(CROSSED, write(tmp_path, CROSSED, leave))
    assert found.gaps == [
        "no run at attention.combine=max, attention.norm=ends",
        "attention.combine=sum, attention.norm=hidden: 2 of 3 seeds (lacks seed 1)",
    ]
    (met,) = found.interactions
    assert math.isnan(met.means["max", "ends"])


def test_a_row_without_figures_of_its_own_is_named(tmp_path):
    for row, run in CROSSED.rows.items():
        for seed in range(3):
            wrong = 20.0 + seed + (0.5 if row == "max, ends" else 0) + (0.25 if row == "none" else 0)
            finish(tmp_path, replace(run, seed=seed), wrong if row != "sum, hidden" else 30.0 + seed)
    found = factorial_of(CROSSED, gather(CROSSED, tmp_path))
    same = "Row 'max, hidden' computed exactly what row 'sum, ends' did: the change changed nothing."
    assert list(found.alike) == [same]
    assert f"{same} Both count here, as if each had figures of its own." in explained(found, [], CROSSED)


def test_many_runs_have_an_importance(tmp_path):
    study = CROSSED.with_seeds(6)
    found = factorial_of(study, write(tmp_path, study)).importance
    assert list(found) == ["PED-ANOVA", "fANOVA"]
    for shares in found.values():
        assert set(shares) == {"attention.combine", "attention.norm"}
        assert sum(shares.values()) == pytest.approx(1)


def test_the_catalogues_factorial_says_what_was_left_out(tmp_path):
    study = find_study("paper-vs-code").with_seeds(1)
    for number, (_, run) in enumerate(study.runs()):
        finish(tmp_path, run, 20 + (number * 7 % 25) / 10)
    found = factorial_of(study, gather(study, tmp_path))
    assert found.factors == {
        "attention.combine": ("sum", "product", "max"),
        "attention.norm": ("ends", "hidden", "both"),
        "attention.init": ("torch", "kaiming", "zero"),
    }
    assert found.gaps == ["no run at attention.combine=product, attention.init=zero"]
    assert [each.n for each in found.levels] == [9, 6, 9, 8, 8, 8, 9, 9, 6]
    # 24 cells: 1 + 2 + 2 + 2 for the factors, 4 + 4 + 3 for their pairs, since one pair of levels is not there
    degrees = [each.df for each in found.anova]
    assert degrees == [2, 2, 2, 4, 3, 4, 6]


def fitted(cells, *names):
    levels = {name: tuple(dict.fromkeys(cell[place] for cell in cells)) for place, name in enumerate(names)}
    return explained(factorial(cells, levels), [], CROSSED)[0]


def test_what_the_analysis_of_variance_was_fitted_with_is_said():
    cells = {cell: {0: 1.0 + place * 7 % 5, 1: place * 3 % 7} for place, cell in enumerate(product("xy", "pqr", "uv"))}
    begin = "Analysis of variance: type II, "
    assert fitted(cells, *"abc").startswith(
        begin + "seeds as blocks, interactions of two factors, those of more in the residual; p is not adjusted."
    )
    once = {cell: {0: runs[0]} for cell, runs in cells.items()}
    assert fitted(once, *"abc").startswith(begin + "interactions of two factors, those of more in the residual; ")
    two = {cell[:2]: runs for cell, runs in cells.items() if cell[2] == "u"}
    assert fitted(two, *"ab").startswith(begin + "seeds as blocks, with the interaction of the two factors; ")
    alone = "factors alone, since these runs cannot tell their interactions from the residual; p is not adjusted."
    assert fitted({cell: {0: runs[0]} for cell, runs in two.items()}, *"ab").startswith(begin + alone)
    # without y at u, a and c still cross at b's levels with nothing: one level of a alone meets u
    some = {cell: runs for cell, runs in cells.items() if cell[0] == "x" or cell[2] == "v"}
    assert fitted(some, *"abc").startswith(
        begin + "seeds as blocks, interactions of two factors (but a x c, which these runs cannot tell), those of more"
    )


def test_a_factor_that_the_baseline_has_too_takes_it_in(tmp_path):
    rows = {
        f"{name}, {lr}": Run(attention=attention, recipe=Recipe(lr=lr))
        for name, attention in (("none", None), ("BAM", BAMSpec()))
        for lr in (0.05, 0.1)
    }
    study = Study(
        name="lr",
        question="Does BAM's gain depend on the learning rate?",
        rows=rows,
        baseline="none, 0.1",
        scientific=("attention", "recipe.lr"),
        seeds=2,
    )
    for number, (_, run) in enumerate(study.runs()):
        finish(tmp_path, run, 20 + number / 8)
    found = factorial_of(study, gather(study, tmp_path))
    assert found.factors == {"attention": ("none", "bam"), "recipe.lr": ("0.05", "0.1")}
    assert [each.n for each in found.levels] == [4, 4, 4, 4]


def test_no_factorial_where_there_is_none(tmp_path):
    assert factorial_of(CROSSED, []) is None, "no run has finished"
    one_at_a_time = STUDY  # combine at reduction 16, reduction 1 with the sum alone; SE has no combine
    for _, run in one_at_a_time.runs():
        finish(tmp_path, run, 20.0 + run.seed)
    assert factorial_of(one_at_a_time, gather(one_at_a_time, tmp_path)) is None
    for name in ("reduction", "placement", "quickstart"):
        study = find_study(name)
        assert factorial_of(study, []) is None
    kinds = replace(
        CROSSED,
        rows={"none": Run(), "BAM": Run(attention=BAMSpec()), "SE": Run(attention=SESpec())},
        scientific=("attention",),
    )
    assert factorial_of(kinds, []) is None, "one factor"


def test_panels_have_no_common_factorial(tmp_path):
    rows = {
        f"{backbone.kind} {row}": replace(run, backbone=backbone)
        for backbone in (ResNet18(), ResNet50())
        for row, run in CROSSED.rows.items()
    }
    study = replace(CROSSED, rows=rows, baseline=("resnet18 none", "resnet50 none"), within=("backbone",))
    for _, run in study.runs():
        finish(tmp_path, run, 20.0 + run.seed)
    assert factorial_of(study, gather(study, tmp_path)) is None


PLANTED = [({"a": a, "b": b, "c": c}, seed) for a in "xy" for b in "pqr" for c in "uv" for seed in range(5)]


@pytest.mark.parametrize("higher", [False, True])
def test_importance_finds_the_planted_factor(higher):
    sign = -1 if higher else 1
    levels = [run for run, _ in PLANTED]
    figures = [sign * (2.0 * "pqr".index(run["b"]) + 0.1 * (seed * 7 % 5)) for run, seed in PLANTED]
    found = importance(levels, figures, higher_is_better=higher)
    for evaluator in ("PED-ANOVA", "fANOVA"):
        shares = found[evaluator]
        assert next(iter(shares)) == "b", "from the greatest"
        assert shares["b"] > 0.9
        assert sum(shares.values()) == pytest.approx(1)
    assert importance(levels, figures, higher_is_better=higher) == found


def test_importance_asks_what_sets_the_best_apart():
    # x is best with one of b's levels alone; where high figures are best, only a matters
    figures = [10.0 * (run["a"] == "y") + (run["a"] == "x") * (run["b"] != "p") + 0.01 * seed for run, seed in PLANTED]
    low = importance([run for run, _ in PLANTED], figures)["PED-ANOVA"]
    high = importance([run for run, _ in PLANTED], figures, higher_is_better=True)["PED-ANOVA"]
    assert low["b"] > 0.3
    assert high["a"] > 0.9


def test_the_seed_is_the_forests():
    levels = [run for run, _ in PLANTED]
    figures = [float((index * 37) % 60) for index in range(60)]
    one, other = importance(levels, figures, seed=0), importance(levels, figures, seed=1)
    assert one["fANOVA"] != other["fANOVA"]
    assert one["PED-ANOVA"] == other["PED-ANOVA"]


def test_importance_needs_runs_that_differ():
    levels = [run for run, _ in PLANTED]
    assert importance(levels[:19], list(map(float, range(19)))) == {}
    assert importance(levels, [20.0] * 60) == {}
    assert importance(levels, [1.0] * 5 + [2.0] * 55) == {}, "the best 6 are all runs"
    assert importance(levels, [1.0] * 6 + [2.0] * 54) != {}
    assert importance(levels, [2.0] * 5 + [1.0] * 55, higher_is_better=True) == {}, "the best are the highest"
    assert importance(levels, [2.0] * 55 + [1.0] * 5, higher_is_better=True) != {}


def test_levels_whose_runs_failed_are_not_called_better(tmp_path):
    """The table refuses `worse` for the rows at r=4, of which one in five failed, and factors said 8 is `better`."""
    rows = {f"{c} {r}": Run(attention=BAMSpec(combine=c, reduction=r)) for c in ("sum", "max") for r in (4, 8)}
    study = Study(
        name="failed",
        question="Which?",
        rows=rows,
        baseline="sum 8",
        scientific=("attention.combine", "attention.reduction"),
        seeds=5,
    )
    for row, run in study.runs():
        if row.endswith("4") and run.seed == 4:
            interrupt(tmp_path, run, "failed")
        else:
            finish(tmp_path, run, 20.0 + run.seed + row.endswith("4") * (1 + 0.01 * (run.seed % 3)))
    factor = next(one for one in factors_of(study, gather(study, tmp_path)) if one.name == "attention.reduction")
    (contrast,) = factor.contrasts
    assert (contrast.difference.n, contrast.difference.high < 0) == (4, True)
    assert answer(contrast.difference, study, contrast.p_claimed) == "no clear difference"
    assert any(line == FAILED for line in explained(None, [factor], study))
