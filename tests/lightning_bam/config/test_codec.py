"""The bridges: JSON there and back, flat names, and settings written as text."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_bam import (
    AfterStages,
    BAMSpec,
    CBAMSpec,
    ConfigError,
    Digits,
    EveryBlock,
    ExtraBlockSpec,
    Recipe,
    ResNet18,
    ResNet50,
    Run,
    SESpec,
    SmallResNet,
)
from lightning_bam.config import KINDS, flatten, from_dict, nearest, to_dict, with_settings
from tests.lightning_bam.config.another import PARTNERS, another, plain


def specs(slot):
    """Any kind of a slot, each field its default or another value."""

    @st.composite
    def draw_one(draw):
        cls = draw(st.sampled_from(list(KINDS[slot].values())))
        changed = [f.name for f in fields(cls) if draw(st.booleans())]
        if cls is BAMSpec and "init" not in changed and draw(st.booleans()):
            return replace(plain(cls), combine=draw(st.sampled_from(["sum", "product", "max"])))
        changes = {name: value for field in changed for name, value in PARTNERS.get((cls.kind, field), {}).items()}
        return replace(plain(cls), **(changes | {name: another(cls, name) for name in changed}))

    return draw_one()


RUNS = st.builds(
    Run,
    dataset=specs("dataset"),
    backbone=specs("backbone"),
    attention=st.none() | specs("attention"),
    placement=st.just(EveryBlock())
    | st.sets(st.integers(1, 9), min_size=1).map(lambda s: AfterStages(stages=tuple(sorted(s)))),
    recipe=specs("recipe") | st.builds(Recipe, lr=st.floats(1e-30, 1e30), epochs=st.integers(1, 10**6)),
    seed=st.integers(0, 2**31 - 1),
    score_on=st.sampled_from(["test", "held_out"]),
)


@given(RUNS)
@settings(deadline=None)
def test_json_there_and_back(run):
    back = from_dict(json.loads(json.dumps(to_dict(run))))
    assert back == run
    assert back.key == run.key


@given(RUNS)
@settings(deadline=None)
def test_flat_names_set_from_their_own_text_give_the_same_run(run):
    # what a table or an Optuna trial shows is enough to describe the run again
    text = {name: str(value) for name, value in flatten(run).items() if value not in ("", "None")}
    assert with_settings(Run(), text).key == run.key


@given(RUNS, RUNS)
@settings(deadline=None)
def test_equal_flat_views_mean_equal_runs(one, two):
    def view(run):  # of pretrained weights the key has what is in the file, not where it lies
        return {name: value for name, value in flatten(run).items() if name != "backbone.weights"}

    assert (view(one) == view(two)) == (one.key == two.key)


def test_flatten_by_hand():
    run = Run(
        dataset=Digits(),
        attention=SESpec(reduction=8),
        placement=AfterStages(stages=(1, 3)),
        seed=7,
        recipe=Recipe(lr=0.2),
    )
    assert flatten(run) == {
        "dataset": "digits",
        "dataset.train": None,
        "backbone": "small_resnet",
        "backbone.depth": 8,
        "backbone.width": 16,
        "attention": "se",
        "attention.reduction": 8,
        "placement": "after_stages",
        "placement.stages": "1,3",
        "recipe": "sgd",
        "recipe.epochs": 200,
        "recipe.batch_size": 128,
        "recipe.optimizer": "sgd",
        "recipe.lr": 0.2,
        "recipe.momentum": 0.9,
        "recipe.nesterov": True,
        "recipe.weight_decay": 5e-4,
        "recipe.clip_grad_norm": None,
        "recipe.schedule": "step",
        "recipe.milestones": "0.3,0.6,0.8",
        "recipe.gamma": 0.2,
        "recipe.warmup_epochs": 0.0,
        "recipe.label_smoothing": 0.0,
        "recipe.mixup": None,
        "recipe.cutmix": None,
        "recipe.crop_padding": 4,
        "recipe.flip": True,
        "recipe.ema": None,
        "recipe.precision": "32",
        "recipe.sync_batchnorm": True,
        "seed": 7,
        "score_on": "test",
    }


def test_without_attention_neither_it_nor_its_placement_is_shown():
    flat = flatten(Run(placement=EveryBlock()))
    assert flat["attention"] == "none"
    assert not [name for name in flat if name.startswith(("attention.", "placement"))]


def test_json_missing_parts_are_defaults():
    assert from_dict({}) == Run()
    assert from_dict({"attention": {"kind": "bam", "reduction": 8}}) == Run(attention=BAMSpec(reduction=8))


SET = [
    ({"recipe.epochs": "30"}, Run(recipe=Recipe(epochs=30))),
    ({"attention": "bam"}, Run(attention=BAMSpec())),
    ({"attention.reduction": "8", "attention": "se"}, Run(attention=SESpec(reduction=8))),
    ({"placement": "every_block"}, Run(placement=EveryBlock())),
    ({"placement.stages": "1,3"}, Run(placement=AfterStages(stages=(1, 3)))),
    ({"placement.stages": "2"}, Run(placement=AfterStages(stages=(2,)))),
    ({"placement.stages": "none"}, Run()),
    ({"recipe.milestones": ""}, Run(recipe=Recipe(milestones=()))),
    ({"recipe.nesterov": "false", "recipe.momentum": "0"}, Run(recipe=Recipe(nesterov=False, momentum=0))),
    ({"recipe.ema": "0.99", "recipe.mixup": "none"}, Run(recipe=Recipe(ema=0.99))),
    (
        {
            "recipe.optimizer_options.betas": "0.9,0.95",
            "recipe.optimizer": "AdamW",
            "recipe.optimizer_options.eps": "1",
        },
        Run(recipe=Recipe(optimizer="adamw", optimizer_options={"betas": (0.9, 0.95), "eps": 1})),
    ),
    ({"backbone": "resnet50", "backbone.stride_on": "1x1"}, Run(backbone=ResNet50(stride_on="1x1"))),
    ({"seed": "3", "score_on": "held_out"}, Run(seed=3, score_on="held_out")),
    ({}, Run()),
]


@pytest.mark.parametrize(("text", "run"), SET, ids=str)
def test_with_settings(text, run):
    assert with_settings(Run(), text) == run


def test_setting_a_kind_anew_forgets_the_old_knobs_and_naming_the_same_keeps_them():
    run = Run(backbone=SmallResNet(width=8), attention=BAMSpec(dilation=2))
    assert with_settings(run, {"attention": "bam", "attention.reduction": "4"}).attention == BAMSpec(
        dilation=2, reduction=4
    )
    assert with_settings(run, {"attention": "se"}).attention == SESpec()
    assert with_settings(run, {"backbone": "resnet18"}).backbone == ResNet18(), "a width means something else there"
    assert with_settings(run, {"attention": "none"}) == Run(backbone=SmallResNet(width=8))
    assert with_settings(run, {"backbone.depth": "14"}).backbone == SmallResNet(width=8, depth=14)


def test_an_option_is_set_beside_the_others_and_left_out_by_none():
    run = Run(recipe=Recipe(optimizer="rmsprop", optimizer_options={"alpha": 0.9, "centered": True}))
    for text, options in (
        ({"eps": "1e-6"}, {"alpha": 0.9, "centered": True, "eps": 1e-6}),
        ({"alpha": "0.5"}, {"alpha": 0.5, "centered": True}),
        ({"alpha": "none"}, {"centered": True}),
    ):
        named = {f"recipe.optimizer_options.{name}": value for name, value in text.items()}
        assert with_settings(run, named).recipe.optimizer_options == options
    alone = {"recipe.optimizer_options.eps": "1e-6", "recipe.optimizer_options": "none"}
    assert with_settings(run, alone).recipe.optimizer_options == {"eps": 1e-6}
    assert {name: value for name, value in flatten(run).items() if "options" in name} == {
        "recipe.optimizer_options.alpha": 0.9,
        "recipe.optimizer_options.centered": True,
    }
    assert to_dict(run)["recipe"]["optimizer_options"] == {"alpha": 0.9, "centered": True}


def test_another_module_keeps_the_reduction():
    run = Run(attention=BAMSpec(reduction=4, dilation=2))
    for text, spec in (
        ({"attention": "cbam"}, CBAMSpec(reduction=4)),
        ({"attention": "se"}, SESpec(reduction=4)),
        ({"attention": "cbam", "attention.reduction": "8"}, CBAMSpec(reduction=8)),
        ({"attention": "extra_block"}, ExtraBlockSpec()),
    ):
        assert with_settings(run, text).attention == spec
    assert with_settings(
        Run(attention=CBAMSpec(reduction=8, kernel_size=3)), {"attention": "bam"}
    ).attention == BAMSpec(reduction=8)


def test_nearest():
    assert nearest("dilaton", ["dilation", "reduction"]) == "did you mean 'dilation'?"
    assert nearest("epochs", ["recipe.epochs", "recipe.epoch"]) == "did you mean 'recipe.epochs'?"
    assert nearest("lr", ["recipe.lr", "recipe.epochs"]) == "did you mean 'recipe.lr'?"
    assert nearest("cmbine", ["attention", "attention.combine"]) == "did you mean 'attention.combine'?"
    assert nearest("width", ["a.width", "b.width", "b.height"]) == "did you mean 'a.width' or 'b.width'?"
    assert nearest("epoch", ["epochs", "lr"], "recipe.") == "did you mean 'recipe.epochs'?"
    assert nearest("r", ["row", "seed"]) == "known: row, seed", "half of the letters are not near"
    assert nearest("q", ["b", "a"]) == "known: a, b"
    assert nearest("q", map(str, range(10, 31))) == "known: " + ", ".join(map(str, range(10, 30))) + " ..."


def test_with_settings_refuses_what_is_not_a_run_but_leaves_the_run():
    run = Run(attention=BAMSpec())
    with pytest.raises(ConfigError):
        with_settings(run, {"attention.reduction": "8", "recipe.lr": "-1"})
    assert run == Run(attention=BAMSpec())
