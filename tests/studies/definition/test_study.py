from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from lightning_bam.config import (
    AfterStages,
    BAMSpec,
    ConfigError,
    DigitScenes,
    EveryBlock,
    FasterRCNN,
    Run,
    SESpec,
    SmallResNet,
)
from studies import Study, StudyError
from studies.definition.settings import with_all_settings
from studies.definition.stopping import Stopping
from tests.studies.conftest import BASE, tiny

BAM = replace(BASE, attention=BAMSpec(reduction=4))


def test_runs_go_seed_by_seed():
    assert [(cell.row, cell.run.seed) for cell in tiny(seeds=2).runs()] == [
        ("none", 0),
        ("BAM", 0),
        ("none", 1),
        ("BAM", 1),
    ]
    assert tiny(seeds=(7, 3)).seed_list == (7, 3)
    assert tiny().runs()[3].run == replace(tiny().rows["BAM"], seed=1)


def test_the_greatest_seed():
    assert tiny(seeds=(0, 2**31 - 1)).runs()[-1].run.seed == 2**31 - 1
    for greater in (lambda: tiny(seeds=(2**31 - 1,)).with_seeds(2), lambda: tiny().stopping_by(RULE, 2**31 - 3)):
        with pytest.raises(StudyError, match="each once, from 0 to 2147483647$"):
            greater()


def test_a_label_is_one_however_a_value_is_spelt_and_can_stand_in_a_file_s_name():
    study = tiny()
    labels = {study.override({"recipe.lr": text}).label for text in ("0.05", "5e-2", ".050")}
    assert labels == {"tiny+recipe.lr=0.05"}
    settings = {f"recipe.{name}": value for name, value in LONG_SETTINGS.items()}
    long = study.override(settings).label
    assert len(long.encode()) == 180
    assert long.startswith("tiny+recipe.batch_size=48+recipe.")
    other = study.override(settings | {"recipe.weight_decay": "0.001"}).label
    assert other[:-8] == long[:-8]
    assert other != long


LONG_SETTINGS = {
    "batch_size": "48",
    "epochs": "7",
    "gamma": "0.125",
    "label_smoothing": "0.0625",
    "lr": "0.03125",
    "milestones": "0.25,0.5,0.75",
    "momentum": "0.875",
    "nesterov": "False",
    "schedule": "step",
    "warmup_epochs": "0.5",
    "weight_decay": "0.0001",
}
RULE = Stopping(looks=(2, 4))


def test_a_thousand_rows_are_compared_in_a_moment():
    rows = {
        f"r{r} d{d}": replace(BASE, attention=BAMSpec(reduction=r, dilation=d))
        for r in range(1, 41)
        for d in range(1, 26)
    }
    started = time.process_time()
    study = tiny(
        rows={"none": BASE, **rows}, scientific=("attention", "attention.reduction", "attention.dilation"), seeds=1
    )
    assert time.process_time() - started < 2, "measured: 0.2 s, and 4.7 s where each pair is compared"
    assert len({cell.run.key for cell in study.runs()}) == 1001
    odd = replace(BASE, recipe=replace(BASE.recipe, lr=0.3))
    with pytest.raises(StudyError, match=r"rows 'none' and 'odd' differ in recipe.lr \(0.1 and 0.3\)"):
        tiny(rows={"none": BASE, **rows, "odd": odd}, scientific=study.scientific)


def test_fixed_is_what_all_rows_share():
    fixed = tiny().fixed()
    assert fixed["recipe.epochs"] == "2"
    assert fixed["backbone"] == "small_resnet"
    assert fixed["attention.reduction"] == "4", "where there is attention, its reduction is one"
    assert "attention" not in fixed
    assert "seed" not in fixed


LONG = "x" * 121
NO_SEEDS = (0, (), (1, 1), (0, -1), 2.5, math.nan, "three", "12", 10**20, (1, 2.0), True)
SEEDS = "give a number from 1 to 100,000, or which seeds, each once, from 0 to 2147483647"
NO_LABELS = ("", " ", "S\nE", "a\tb")
LABEL = "a label is one line of 1 to 120 printable characters"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "nun"}, "tiny: baseline 'nun' is no row; did you mean 'none'?"),
        ({"name": "a b"}, "study: name='a b': use letters, digits, '-' and '_', at most 120"),
        (
            {"name": LONG},
            f"study: name='{LONG[:39]} ...: use letters, digits, '-' and '_', at most 120",
        ),
        *(({"seeds": seeds}, f"tiny: seeds={seeds!r}: {SEEDS}") for seeds in NO_SEEDS),
        ({"rows": {}}, "tiny: rows={}: dictionary should have at least 1 item after validation, not 0"),
        ({"rows": {"none": BASE, "SE": "SE"}}, "tiny: rows.SE='SE': write Run()"),
        *(({"rows": {"none": BASE, label: BAM}}, f"tiny, row {label!r}: {LABEL}") for label in NO_LABELS),
        ({"rows": {"none": BASE, LONG: BAM}}, f"tiny, row {LONG[:20]!r}... (121 characters): {LABEL}"),
        ({"rows": {"none": BASE, 7: BAM}}, "tiny: rows.7.[key]=7: input should be a valid string"),
        ({"name": 3}, "study: name=3: use letters, digits, '-' and '_', at most 120"),
        ({"rows": ["BAM"]}, "tiny: rows=['BAM']: input should be a valid dictionary"),
        ({"question": 3}, "tiny: question=3: input should be a valid string"),
        ({"baseline": None}, "tiny: baseline=None: give the label of a row"),
        ({"baseline": (1,)}, "tiny: baseline=(1,): give the label of a row"),
        ({"scientific": None}, "tiny: scientific=None: give a tuple of names, as ('attention',)"),
        ({"within": 3}, "tiny: within=3: give a tuple of names, as ('attention',)"),
        *(
            (
                {"published": {"BAM": value}},
                f"tiny: published.BAM={value!r}: give a number, as 5.0, or Published(...)",
            )
            for value in ("5.0", None, True, math.nan)
        ),
        ({"published": 5.0}, "tiny: published=5.0: input should be a valid dictionary"),
        (
            {"presets": {"small": "small"}},
            "tiny: presets.small='small': give a Run(...), or rows as {label: Run(...)}",
        ),
        ({"metric": ["top1"]}, "tiny: metric=['top1']: input should be a valid string"),
        *(
            ({"margin": value}, f"tiny: margin={value!r}: give percentage points above 0, as 0.3")
            for value in ("0.3", 0, math.nan, True)
        ),
        ({"paper": 3}, "tiny: paper=3: input should be a valid string"),
        ({"stopping": (2, 4)}, "tiny: stopping=(2, 4): write Stopping()"),
        ({"published": {"x": 1.0}}, "tiny: published figures for ['x'], which are no rows"),
        (
            {"rows": {"none": BASE, "BAM": replace(BAM, seed=1)}},
            "tiny, row 'BAM': leave seed and score_on to the study",
        ),
        ({"rows": {"none": BASE, "same": BASE}}, "tiny: rows 'none' and 'same' are the same run"),
        (
            {"rows": {"none": BASE, "BAM": replace(BAM, recipe=replace(BASE.recipe, epochs=3))}},
            "tiny: rows 'none' and 'BAM' differ in recipe.epochs (2 and 3), which is not under question; "
            "make them equal or name it in `scientific`",
        ),
        (
            {"scientific": ("attention", "attention.dilation")},
            "tiny: no two rows differ in attention.dilation, named in `scientific`",
        ),
    ],
)
def test_an_unfair_study_cannot_be_made(changes, message):
    with pytest.raises(StudyError) as error:
        tiny(**changes)
    assert str(error.value) == message


def wide() -> Study:
    rows = {
        "none": BASE,
        "sum": BAM,
        "product": replace(BAM, attention=BAMSpec(reduction=4, combine="product")),
        "max": replace(BAM, attention=BAMSpec(reduction=4, combine="max")),
    }
    return tiny(
        rows=rows, scientific=("attention", "attention.combine"), published={"none": 1.0, "sum": 2.0}, presets={}
    )


def test_override_changes_every_row_that_has_the_knob():
    changed = wide().override({"recipe.epochs": "5", "attention.dilation": "2"})
    assert changed.label == "tiny+attention.dilation=2+recipe.epochs=5"
    assert {run.recipe.epochs for run in changed.rows.values()} == {5}
    assert changed.rows["none"].attention is None
    assert changed.rows["max"].attention == BAMSpec(reduction=4, combine="max", dilation=2)
    assert changed.published == {}, "the paper's figures are not for this"
    assert wide().override({}) == wide()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention.combine": "sum"}, "--set attention.combine: this is what tiny varies; use --only or --seeds"),
        ({"seed": "3"}, "--set seed: this is what tiny varies; use --only or --seeds"),
        ({"recipe.epoch": "3"}, "recipe.epoch: no such knob; did you mean 'recipe.epochs'?"),
    ],
)
def test_override_refuses(settings, message):
    with pytest.raises((StudyError, ConfigError)) as error:
        wide().override(settings)
    assert str(error.value) == message


def test_override_reaches_what_stands_in_a_knob():
    changed = tiny().override({"recipe.optimizer": "adamw", "recipe.optimizer_options.eps": "1e-6"})
    assert changed.label == "tiny+recipe.optimizer=adamw+recipe.optimizer_options.eps=1e-06"
    assert {run.recipe.optimizer_options["eps"] for run in changed.rows.values()} == {1e-6}
    scenes = Run(dataset=DigitScenes(), backbone=FasterRCNN(trunk=SmallResNet(width=8)))
    (wider,) = with_all_settings({"none": scenes}, {"backbone.trunk.width": "12"}).values()
    assert wider.backbone.trunk == SmallResNet(width=12)


def test_override_of_attention_where_no_row_has_any():
    plain = tiny(
        rows={"a": BASE, "b": replace(BASE, recipe=replace(BASE.recipe, lr=0.2))},
        baseline="a",
        scientific=("recipe.lr",),
    )
    with pytest.raises(ConfigError, match=r"attention.dilation=2: this run has no attention; set it first"):
        plain.override({"attention.dilation": "2"})


def test_override_leaves_rows_alone_that_lack_the_knob():
    both = tiny(rows={"none": BASE, "BAM": BAM, "SE": replace(BASE, attention=SESpec(reduction=4))})
    changed = both.override({"attention.dilation": "2"})
    assert changed.rows["BAM"].attention.dilation == 2
    assert changed.rows["SE"] == both.rows["SE"]
    assert both.override({"dataset": "image_folder", "dataset.name": "birds"}).rows["none"].dataset.name == "birds"


def test_only_keeps_the_baseline_and_what_is_asked_for():
    chosen = wide().only({"attention.combine": ["max"]})
    assert list(chosen.rows) == ["none", "max"]
    assert chosen.scientific == ("attention",)
    assert chosen.published == {"none": 1.0}
    assert chosen.label == "tiny"
    assert list(wide().only({"attention.combine": ["max", "SUM"]}).rows) == ["none", "sum", "max"]


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        (
            {"attention.combin": ["max"]},
            "--only attention.combin=max: no such name; did you mean 'attention.combine'?",
        ),
        ({"combine": ["max"]}, "--only combine=max: no such name; did you mean 'attention.combine'?"),
        (
            {"attention.combine": ["mean"]},
            "--only attention.combine=mean: no row but the baseline; values: max, product, sum",
        ),
    ],
)
def test_only_refuses(selectors, message):
    with pytest.raises(StudyError) as error:
        wide().only(selectors)
    assert str(error.value) == message


def test_a_row_that_is_labelled_as_a_setting_is_a_hint():
    with pytest.raises(StudyError, match=r"^--only R=4: no such name; did you mean 'row=r=4'\?$"):
        tiny(rows={"none": BASE, "r=4": BAM}).only({"R": ["4"]})


def test_another_row_can_be_the_baseline():
    other = wide().against("max")
    assert (other.baseline, other.declared, list(other.rows)) == ("max", "none", list(wide().rows))
    assert [panel.baseline for panel in other.panels] == ["max"]
    assert (wide().comparisons, other.comparisons) == (3, 6), "all pairs of four rows"
    assert wide().only({"row": ["max", "sum"]}).against("max").comparisons == 6
    assert wide().against("none") == wide()
    assert wide().only({"row": ["max"]}).declared == ""


def test_against_refuses():
    with pytest.raises(StudyError, match=r"^--against maxx: tiny: no such row in the table; did you mean 'max'\?$"):
        wide().against("maxx")
    with pytest.raises(StudyError, match="^--against BAM: tiny follows a stopping rule, whose limits hold for the"):
        tiny().stopping_by(RULE).against("BAM")


def test_only_lists_labels_as_they_are_written():
    with pytest.raises(StudyError, match="--only row=BAMM: no row but the baseline; values: BAM, none$"):
        tiny().only({"row": ["BAMM"]})
    assert list(tiny().only({"row": ["bam"]}).rows) == ["none", "BAM"]


def test_a_preset_takes_data_backbone_and_recipe_and_leaves_the_rows():
    scale = replace(BASE, recipe=replace(BASE.recipe, epochs=9))
    study = replace(wide(), presets={"long": scale})
    moved = study.at("long")
    assert moved.label == "tiny+long"
    assert moved.published == {}
    assert [run.recipe.epochs for run in moved.rows.values()] == [9] * 4
    assert [run.attention for run in moved.rows.values()] == [run.attention for run in study.rows.values()]
    assert replace(wide(), presets={"same": BASE}).at("same").published == {"none": 1.0, "sum": 2.0}
    with pytest.raises(StudyError, match="tiny: no preset 'log'; did you mean 'long'"):
        study.at("log")
    with pytest.raises(StudyError, match="tiny: no preset 'small'; it has none"):
        tiny().at("small")


def test_a_preset_leaves_the_knobs_of_the_recipe_that_the_study_varies():
    rows = {str(lr): replace(BASE, recipe=replace(BASE.recipe, lr=lr)) for lr in (0.3, 0.7)}
    long = replace(BASE, recipe=replace(BASE.recipe, epochs=9))
    study = Study("lr", "Which?", rows=rows, baseline="0.3", scientific=("recipe.lr",), presets={"long": long})
    assert [(run.recipe.lr, run.recipe.epochs) for run in study.at("long").rows.values()] == [(0.3, 9), (0.7, 9)]


def test_a_preset_of_rows_is_the_study_with_these():
    rows = {"none": BASE} | {f"r={r}": replace(BASE, attention=BAMSpec(reduction=r)) for r in (1, 2, 4, 8)}
    small = {row: rows[row] for row in ("none", "r=1", "r=2")}
    wide = {row: rows[row] for row in ("none", "r=2", "r=4", "r=8")}
    study = tiny(
        rows=wide, scientific=("attention", "attention.reduction"), published={"r=2": 1.0}, presets={"small": small}
    )
    moved = study.at("small")
    assert (moved.label, moved.rows, moved.published) == ("tiny+small", small, {})
    assert (moved.comparisons, moved.hidden) == (2, ())
    assert moved.override({"recipe.lr": "0.05"}).label == "tiny+small+recipe.lr=0.05"
    assert moved.only({"row": ["r=1"]}).hidden == ("r=2",)


def test_placements_are_compared_where_both_have_them():
    rows = {
        "none": BASE,
        "stages": BAM,
        "first": replace(BAM, placement=AfterStages(stages=(1,))),
        "blocks": replace(BAM, placement=EveryBlock()),
    }
    study = tiny(rows=rows, scientific=("attention", "placement", "placement.stages"))
    assert len(study.runs()) == 8


def test_rows_that_are_left_out_are_still_counted():
    assert wide().comparisons == 3
    assert wide().only({"row": ["max"]}).comparisons == 3
    assert list(wide().only({"row": ["max"]}).rows) == ["none", "max"]


@pytest.mark.parametrize(
    ("scientific", "message"),
    [
        ("attention", "tiny: scientific='attention': give a tuple of names, as ('attention',)"),
        (("atention",), "tiny: scientific 'atention': no row has such a knob; did you mean 'attention'?"),
    ],
)
def test_a_mistaken_scientific_is_named(scientific, message):
    with pytest.raises(StudyError) as error:
        tiny(scientific=scientific)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("own", "asked", "seeds", "left_out", "added"),
    [
        (5, 3, (0, 1, 2), (3, 4), ()),
        (3, 5, (0, 1, 2, 3, 4), (), (3, 4)),
        ((1, 2, 3), 5, (1, 2, 3, 4, 5), (), (4, 5)),
        ((1, 2, 3), 2, (1, 2), (3,), ()),
        ((7, 0, 2), 4, (7, 0, 2, 8), (), (8,)),
        (4, (0, 2, 9), (0, 2, 9), (1, 3), (9,)),
    ],
)
def test_more_seeds_come_after_the_studys_own_and_both_more_and_fewer_are_told(own, asked, seeds, left_out, added):
    study = tiny(seeds=own).with_seeds(asked)
    assert (tuple(study.seed_list), tuple(study.left_out), tuple(study.added)) == (seeds, left_out, added)
    again = study.with_seeds(len(seeds))
    assert (tuple(again.left_out), tuple(again.added)) == (left_out, added)
