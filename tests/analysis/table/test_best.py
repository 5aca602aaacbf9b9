"""Which rows cannot be told from the best."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis.statistics.sequential import limits
from analysis.table.best import best_rows, unbeaten
from analysis.table.interim import interims
from lightning_bam.config import BAMSpec, DigitScenes, FasterRCNN, Run, SmallResNet
from studies.definition.stopping import Stopping
from studies.definition.study import Study

ALIKE = ("sum", "product", "max")
STUDY = Study(
    name="alike",
    question="Which?",
    rows={"none": Run(backbone=SmallResNet())}
    | {row: Run(backbone=SmallResNet(), attention=BAMSpec(combine=row)) for row in ALIKE},
    baseline="none",
    scientific=("attention", "attention.combine"),
    seeds=4,
)
SPREAD = {"sum": (0.1, -0.1, 0.0, 0.05), "product": (-0.1, 0.1, 0.0, 0.1), "max": (0.0, 0.1, 0.1, -0.1)}


def figures(**means):
    return {
        row: {
            seed: means.get(row, 20.0) + seed + (0.0, *SPREAD.get(row, ()), 0, 0, 0, 0)[seed + 1] for seed in range(4)
        }
        for row in STUDY.rows
    }


def test_rows_that_are_alike_and_all_better_than_the_baseline_are_all_marked():
    assert best_rows(figures(none=22.0), STUDY, {}) == set(ALIKE)


def test_nothing_is_marked_where_nothing_is_told_apart():
    assert best_rows(figures(), STUDY, {}) == frozenset()
    rows = {"none": [0.0, 3.0, 6.0], "a": [1.0, 2.0, 3.1], "b": [2.0, 3.0, 4.0]}
    assert unbeaten(rows, "a", {3: 0.05}) == {"none", "b"}, "b is told from a, and neither from none"
    assert unbeaten(rows, "none", {3: 0.05}) == frozenset()
    assert best_rows({row: {0: float(place)} for place, row in enumerate(STUDY.rows)}, STUDY, {}) == frozenset()


def test_a_row_that_another_row_beats_is_left_out_and_a_baseline_may_be_best():
    assert best_rows(figures(none=22.0, max=24.0), STUDY, {}) == {"sum", "product"}
    assert best_rows(figures(none=18.0), STUDY, {}) == {"none"}
    assert best_rows(figures(max=24.0), STUDY, {}) == {"none", "sum", "product"}


def test_a_row_that_lacks_seeds_takes_no_part():
    some = figures(none=22.0, max=18.0)
    del some["max"][3]
    assert best_rows(some, STUDY, {}) == {"sum", "product"}


def test_each_pair_is_held_against_the_level_over_the_comparisons():
    generator = np.random.default_rng(3)
    drawn = generator.normal([0.0, 0.4, 0.8, 1.2], 0.6, (60, 5, 4)).transpose(0, 2, 1)
    for study in drawn:
        rows = dict(zip("abcd", study.tolist(), strict=True))
        beaten = {
            low
            for high, low in itertools.permutations(rows, 2)
            if stats.ttest_rel(rows[high], rows[low], alternative="greater").pvalue <= 0.025 / 3
        }
        differ = min(stats.ttest_rel(rows[row], rows["a"]).pvalue for row in "bcd") <= 0.05 / 3
        assert unbeaten(rows, "a", {5: 0.05 / 3}) == (set(rows) - beaten if differ else set())


def test_by_a_rule_rows_are_compared_at_the_last_look_of_both_with_its_limits():
    rule = Stopping(looks=(4, 8))
    study = replace(STUDY, stopping=rule, seeds=8)
    generator = np.random.default_rng(5)
    noise = generator.normal(0.0, 0.1, (4, 8))
    errors = {
        row: {seed: mean + seed + noise[place, seed] for seed in range(n)}
        for place, (row, mean, n) in enumerate(
            (("none", 25.0, 8), ("sum", 20.0, 4), ("product", 20.0, 4), ("max", 24.9, 8))
        )
    }
    looks = interims(errors, dict.fromkeys(errors, "none"), study, {})
    assert [looks[row].delta.n for row in ALIKE] == [4, 4, 8]
    p = stats.ttest_rel([errors["max"][s] for s in range(4)], [errors["sum"][s] for s in range(4)]).pvalue
    assert p < limits(rule.looks, 0.05 / 3, rule.spending)[0]
    assert best_rows(errors, study, looks) == {"sum", "product"}


def test_a_spare_seed_stands_in_for_one_at_which_the_baseline_failed():
    """No row was marked: all of them lack a seed of the first four."""
    study = replace(STUDY, stopping=Stopping(looks=(3, 4), spare=1), seeds=5)
    noise = np.random.default_rng(5).normal(0.0, 0.1, (4, 5))
    means = {"none": 25.0, "sum": 20.0, "product": 20.0, "max": 20.0}
    errors = {
        row: {seed: mean + seed + noise[place, seed] for seed in (0, 2, 3, 4)}
        for place, (row, mean) in enumerate(means.items())
    }
    failed = {"none": {1: True}}
    looks = interims(errors, dict.fromkeys(errors, "none"), study, failed)
    assert {looks[row].looked for row in ALIKE} == {(0, 2, 3, 4)}
    assert best_rows(errors, study, looks) == set(ALIKE)
    errors["max"] |= {1: 20.0}
    del errors["max"][0]
    alone = interims(errors, dict.fromkeys(errors, "none"), study, failed | {"max": {0: True}})
    assert best_rows(errors, study, alone) == {"sum", "product"}, "a row that itself lacks seeds takes no part"


def test_it_is_the_metric_that_says_what_is_better():
    scenes = Run(backbone=FasterRCNN(trunk=SmallResNet()), dataset=DigitScenes())
    rows = {"none": scenes} | {row: replace(scenes, attention=BAMSpec(combine=row)) for row in ALIKE}
    assert best_rows(figures(none=18.0), replace(STUDY, rows=rows, metric="map_50_95"), {}) == set(ALIKE)
