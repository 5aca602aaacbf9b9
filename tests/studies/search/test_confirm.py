"""From a search to a study of a person's own: its rows, its seeds, its file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightning_bam.config import BAMSpec, CBAMSpec, DigitScenes, EveryBlock, FasterRCNN, Recipe, ResNet18
from lightning_bam.run_folder.files import FolderError
from studies import Space, StudyError
from studies.definition.panels import Panel
from studies.library import find_study, spaces
from studies.search.choices import Real
from studies.search.confirm import confirmation
from studies.search.study_file import write
from tests.studies.conftest import BASE

SPACE = Space(
    name="mine",
    question="Which?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={
        "attention": ("none", "bam", "cbam"),
        "attention.reduction": ("2", "4"),
        "attention.dilation": ("1", "2"),
        "placement": ("after_stages", "every_block"),
        "recipe.lr": Real(0.01, 1.0, log=True),
    },
)
BEST = (
    {"attention": "cbam", "attention.reduction": "2", "placement": "every_block", "recipe.lr": 0.031415926535},
    {
        "attention": "bam",
        "attention.reduction": "2",
        "attention.dilation": "2",
        "placement": "after_stages",
        "recipe.lr": 0.1,
    },
    {"attention": "none", "recipe.lr": 0.1},
    {"attention": "none", "recipe.lr": 0.5},
)


PLAIN, ALONE = "none, lr=0.0314", "cbam, reduction=2, placement=every_block, lr=0.0314"
ONE, TWO = ALONE, "bam, reduction=2, dilation=2, placement=after_stages, lr=0.1"
THREE, FOUR = "none, lr=0.1", "none, lr=0.5"


def at(lr):
    return replace(BASE, recipe=replace(BASE.recipe, lr=lr))


def test_rows_are_the_best_each_in_a_panel_with_its_recipe_without_attention():
    study = confirmation(SPACE, BEST, 3, "search+mine+seeds=3")
    assert dict(study.rows) == {
        PLAIN: at(0.031415926535),
        ONE: replace(at(0.031415926535), attention=CBAMSpec(reduction=2), placement=EveryBlock()),
        THREE: BASE,
        TWO: replace(BASE, attention=BAMSpec(reduction=2, dilation=2)),
        FOUR: at(0.5),
    }
    assert study.panels == (
        Panel(PLAIN, (PLAIN, ONE)),
        Panel(THREE, (THREE, TWO)),
        Panel(FOUR, (FOUR,)),
    )
    assert study.within == ("recipe",)
    assert study.comparisons == 2
    assert study.seeds == (3, 4, 5, 6, 7), "0 to 2 have been used to choose"
    assert study.name == "confirm-mine-seeds-3"
    assert set(study.scientific) == {"attention", "placement"}
    searched = {replace(SPACE.run(values), seed=seed).key for values in BEST for seed in range(10)}
    assert not searched & {cell.run.key for cell in study.runs()}


def test_rows_of_one_recipe_share_a_baseline():
    best = ({**BEST[0], "recipe.lr": 0.1}, BEST[0], BEST[1])
    study = confirmation(SPACE, best, 1, "search+mine")
    one, two = "cbam, placement=every_block", "cbam, placement=every_block, lr=0.0314"
    three = "bam, dilation=2, placement=after_stages, lr=0.1"
    assert study.panels == (Panel(THREE, (THREE, f"{one}, lr=0.1", three)), Panel(PLAIN, (PLAIN, two)))
    assert study.comparisons == 3
    together = confirmation(SPACE, (best[0], best[2]), 1, "search+mine")
    two = "bam, dilation=2, placement=after_stages"
    assert together.panels == (Panel("none", ("none", one, two)),)
    assert together.rows["none"] == BASE
    alone = confirmation(SPACE, BEST[:1], 1, "search+mine")
    assert list(alone.rows) == ["none", ONE]
    assert alone.rows["none"] == at(0.031415926535), "not at the recipe of the base"


def test_panels_are_told_by_all_that_varies_between_networks():
    choices = {"attention.reduction": ("2", "4"), "backbone.width": ("4", "8"), "recipe.epochs": ("2", "3")}
    space = Space(name="wide", question="Which?", base=replace(BASE, attention=BAMSpec(reduction=4)), choices=choices)
    best = [dict(zip(choices, values, strict=True)) for values in (("2", "4", "2"), ("4", "8", "2"), ("4", "8", "3"))]
    study = confirmation(space, best, 1, "search+wide")
    assert study.within == ("backbone", "recipe")
    assert list(study.rows) == [
        "none, width=4, epochs=2",
        "reduction=2, width=4, epochs=2",
        "none, width=8, epochs=2",
        "reduction=4, width=8, epochs=2",
        "none, width=8, epochs=3",
        "reduction=4, width=8, epochs=3",
    ]
    assert study.scientific == ("attention", "attention.reduction")


def test_two_spellings_of_one_recipe_have_one_baseline():
    base = replace(BASE, attention=BAMSpec(reduction=4), recipe=replace(BASE.recipe, epochs=2, warmup_epochs=2))
    choices = {"attention.reduction": ("2", "4"), "recipe.schedule": ("step", "cosine")}
    space = Space(name="warm", question="Which?", base=base, choices=choices)
    best = [dict(zip(choices, values, strict=True)) for values in (("2", "step"), ("4", "cosine"))]
    study = confirmation(space, best, 1, "search+warm")
    assert next(iter(study.rows)) == "none"
    assert [study.rows[row].key for row in list(study.rows)[1:]] == [space.configuration(values).key for values in best]


def test_where_none_has_attention_the_base_without_it_is_the_baseline(tmp_path):
    study = confirmation(SPACE, (*BEST[3:], {"attention": "none", "recipe.lr": 0.25}), 1, "search+mine")
    assert dict(study.rows) == {"base without attention": BASE, "lr=0.5": at(0.5), "lr=0.25": at(0.25)}
    assert (study.baseline, study.within, study.scientific) == ("base without attention", (), ("recipe.lr",))
    text = write(study, tmp_path, "search+mine").read_text()
    assert "fixed       all else; rows are compared with 'base without attention'\n" in text
    bare = replace(SPACE, base=BASE)
    assert confirmation(bare, BEST[3:], 1, "search+mine").baseline == "base", "which has none itself"


def test_a_space_that_varies_nothing_of_the_attention_is_compared_with_its_base():
    space = replace(SPACE, choices={"recipe.lr": Real(0.01, 1.0)})
    study = confirmation(space, [{"recipe.lr": 0.5}], 1, "search+mine")
    assert dict(study.rows) == {"base": SPACE.base, "lr=0.5": replace(SPACE.base, recipe=at(0.5).recipe)}


def test_rows_that_read_alike_are_kept_apart():
    near = {"attention": "bam", "attention.reduction": "2", "attention.dilation": "2", "placement": "after_stages"}
    best = [{**near, "recipe.lr": lr} for lr in (0.10001, 0.10002)]
    best += [{"attention": "none", "recipe.lr": 0.10003}]
    study = confirmation(SPACE, best, 1, "search+mine")
    one, two = (f"bam, reduction=2, dilation=2, placement=after_stages, lr=0.1 ({rank})" for rank in (1, 2))
    assert study.panels == (
        Panel("none, lr=0.1 (1)", ("none, lr=0.1 (1)", one)),
        Panel("none, lr=0.1 (2)", ("none, lr=0.1 (2)", two)),
        Panel("none, lr=0.1", ("none, lr=0.1",)),
    )
    assert [study.rows[row].recipe.lr for row in (one, two, "none, lr=0.1 (2)")] == [0.10001, 0.10002, 0.10002]


def test_a_label_that_would_be_too_long_leaves_out_its_last_knobs():
    packaged = spaces()["bam"]
    values = {
        "attention.branches": "both",
        "attention.reduction": "16",
        "attention.dilation": "4",
        "attention.combine": "product",
        "attention.norm": "hidden",
        "placement": "after_stages",
        "placement.stages": "1,2,3",
        "recipe.lr": 0.0314159,
        "recipe.weight_decay": 0.000314159,
    }
    (_, row) = confirmation(packaged, [values], 1, "search+bam").rows
    assert row.startswith("bam, branches=both, reduction=16, ")
    assert row.endswith(" ...")
    assert len(row) <= 120


def test_a_search_of_many_settings_is_confirmed_by_a_study_that_files_can_be_named_after():
    settings = {"recipe.batch_size": "48", "recipe.momentum": "0.8125", "recipe.weight_decay": "0.0009765625"}
    settings |= {"recipe.label_smoothing": "0.0625", "recipe.warmup_epochs": "0.5", "backbone.width": "8"}
    names = []
    for epochs in ("7", "8"):
        space = SPACE.override(settings | {"recipe.epochs": epochs})
        names.append(confirmation(space, BEST[:1], 1, f"search+{space.name}").name)
    assert names[0] != names[1]
    assert all(len(name) <= 120 and name.startswith("confirm-mine-backbone-width-8-recipe") for name in names)


def test_seeds_go_on_after_those_of_a_search_that_began_elsewhere():
    later = replace(SPACE, base=replace(SPACE.base, seed=7))
    assert confirmation(later, BEST, 2, "search+mine+seeds=2").seeds == (9, 10, 11, 12, 13), "7 and 8 have been used"


def test_the_file_is_a_study_like_any_other(tmp_path):
    study = confirmation(SPACE, BEST, 1, "search+mine")
    path = write(study, tmp_path, "search+mine (4 trials, tpe, median)")
    assert path == tmp_path / "confirm-mine.py"
    read = find_study(str(path))
    assert {row: run.key for row, run in read.rows.items()} == {row: run.key for row, run in study.rows.items()}
    assert (read.seeds, read.panels, read.scientific, read.name) == (
        study.seeds,
        study.panels,
        study.scientific,
        study.name,
    )
    text = path.read_text()
    assert "panels      recipe.lr\n" in text
    assert f"alone       no other row has the recipe of {FOUR!r}\n" in text
    assert f"bam run {path} --root {tmp_path} && bam table {path} --root {tmp_path}" in text
    assert "n           5 seeds a row, 1 to 5, none of which the search has used" in text
    assert "placement=EveryBlock()," in text
    assert write(study, tmp_path, "search+mine (6 trials, random, none)").read_text() == text, "the same question"
    path.write_text(text + "\ncommand  = print('somebody else')\n")  # as a line of the docstring begins
    with pytest.raises(FolderError, match="confirm-mine.py: is there and says something else"):
        write(study, tmp_path, "search+mine (6 trials, random, none)")
    path.write_text(text)
    with pytest.raises(FolderError, match="confirm-mine.py: is there and says something else; move it away to confirm"):
        write(confirmation(SPACE, BEST[:1], 1, "search+mine"), tmp_path, "search+mine (9 trials, tpe, median)")
    assert path.read_text() == text


def test_a_folder_with_a_space_in_its_name_is_quoted(tmp_path):
    root = tmp_path / "my runs"
    path = write(confirmation(SPACE, BEST, 1, "search+mine"), root, "search+mine")
    assert f"command     bam run '{path}' --root '{root}' && bam table '{path}' --root '{root}'\n" in path.read_text()


def test_a_detector_is_confirmed_by_its_map(tmp_path):
    network = FasterRCNN(trunk=ResNet18())
    base = replace(BASE, dataset=DigitScenes(), backbone=network, attention=BAMSpec(), recipe=Recipe(epochs=3))
    space = Space(name="scenes", question="Which?", base=base, choices={"attention.reduction": ("4", "16")})
    study = confirmation(space, [{"attention.reduction": "4"}], 1, "search+scenes")
    read = find_study(str(write(study, tmp_path, "")))
    assert read.metric == "map_50_95"
    assert list(read.rows) == ["none", "bam, reduction=4"], "a lone row names what was chosen"
    assert read.rows["bam, reduction=4"] == replace(base, attention=BAMSpec(reduction=4))


def test_a_space_without_attention_is_compared_with_its_base():
    space = Space(name="plain", question="Which?", base=BASE, choices={"recipe.lr": Real(0.01, 1.0)})
    study = confirmation(space, [{"recipe.lr": 0.5}, {"recipe.lr": 0.25}], 1, "search+plain")
    assert list(study.rows) == ["base", "lr=0.5", "lr=0.25"]
    assert study.scientific == ("recipe.lr",)


def test_nothing_found_is_nothing_to_confirm():
    with pytest.raises(StudyError, match="search.mine: nothing to confirm: no trial is complete that differs from the"):
        confirmation(SPACE, [{"attention": "none", "recipe.lr": 0.1}], 1, "search+mine")
