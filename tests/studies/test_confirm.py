"""From a search to a study of a person's own: its rows, its seeds, its file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightning_bam.config import BAMSpec, CBAMSpec, DigitScenes, EveryBlock, FasterRCNN, Recipe, ResNet18
from lightning_bam.files import FolderError
from studies import Space, StudyError
from studies.choices import Real
from studies.confirm import confirming
from studies.load import find_study
from studies.written import write
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


def test_rows_are_the_best_and_what_they_would_be_without_attention():
    study = confirming(SPACE, BEST, 3, "search+mine+seeds=3")
    slow = replace(BASE, recipe=replace(BASE.recipe, lr=0.031415926535))
    assert dict(study.rows) == {
        "none": BASE,
        "1 attention=cbam reduction=2 placement=every_block lr=0.0314": replace(
            slow, attention=CBAMSpec(reduction=2), placement=EveryBlock()
        ),
        "plain 1": slow,
        "2 attention=bam reduction=2 dilation=2 placement=after_stages lr=0.1": replace(
            BASE, attention=BAMSpec(reduction=2, dilation=2)
        ),
        "4 attention=none lr=0.5": replace(BASE, recipe=replace(BASE.recipe, lr=0.5)),
    }
    assert study.baseline == "none"
    assert study.seeds == (3, 4, 5, 6, 7), "0 to 2 have been used to choose"
    assert study.name == "confirm-mine-seeds-3"
    assert set(study.scientific) == {"attention", "placement", "recipe.lr"}
    searched = {replace(SPACE.run(values), seed=seed).key for values in BEST for seed in range(10)}
    assert not searched & {cell.run.key for cell in study.runs()}


def test_seeds_go_on_after_those_of_a_search_that_began_elsewhere():
    later = replace(SPACE, base=replace(SPACE.base, seed=7))
    assert confirming(later, BEST, 2, "search+mine+seeds=2").seeds == (9, 10, 11, 12, 13), "7 and 8 have been used"


def test_the_file_is_a_study_like_any_other(tmp_path):
    study = confirming(SPACE, BEST, 1, "search+mine")
    path = write(study, tmp_path, "search+mine (4 trials, tpe, median)")
    assert path == tmp_path / "confirm-mine.py"
    read = find_study(str(path))
    assert {row: run.key for row, run in read.rows.items()} == {row: run.key for row, run in study.rows.items()}
    assert (read.seeds, read.baseline, read.scientific, read.name) == (
        study.seeds,
        "none",
        study.scientific,
        study.name,
    )
    text = path.read_text()
    assert f"bam run {path} --root {tmp_path} && bam table {path} --root {tmp_path}" in text
    assert "n           5 seeds a row, 1 to 5, none of which the search has used" in text
    assert "placement=EveryBlock()," in text
    assert write(study, tmp_path, "search+mine (6 trials, random, none)").read_text() == text, "the same question"
    with pytest.raises(FolderError, match="confirm-mine.py: is there and says something else; move it away to confirm"):
        write(confirming(SPACE, BEST[:1], 1, "search+mine"), tmp_path, "search+mine (9 trials, tpe, median)")
    assert path.read_text() == text


def test_a_folder_with_a_space_in_its_name_is_quoted(tmp_path):
    root = tmp_path / "my runs"
    path = write(confirming(SPACE, BEST, 1, "search+mine"), root, "search+mine")
    assert f"command     bam run '{path}' --root '{root}' && bam table '{path}' --root '{root}'\n" in path.read_text()


def test_a_detector_is_confirmed_by_its_map(tmp_path):
    network = FasterRCNN(trunk=ResNet18())
    base = replace(BASE, dataset=DigitScenes(), backbone=network, attention=BAMSpec(), recipe=Recipe(epochs=3))
    space = Space(name="scenes", question="Which?", base=base, choices={"attention.reduction": ("4", "16")})
    study = confirming(space, [{"attention.reduction": "4"}], 1, "search+scenes")
    read = find_study(str(write(study, tmp_path, "")))
    assert read.metric == "map_50_95"
    assert list(read.rows) == ["none", "1 reduction=4"], "a lone row names what was chosen"
    assert read.rows["1 reduction=4"] == replace(base, attention=BAMSpec(reduction=4))


def test_a_space_without_attention_is_compared_with_its_base():
    space = Space(name="plain", question="Which?", base=BASE, choices={"recipe.lr": Real(0.01, 1.0)})
    study = confirming(space, [{"recipe.lr": 0.5}, {"recipe.lr": 0.25}], 1, "search+plain")
    assert list(study.rows) == ["base", "1 lr=0.5", "2 lr=0.25"]
    assert study.scientific == ("recipe.lr",)


def test_nothing_found_is_nothing_to_confirm():
    with pytest.raises(StudyError, match="search.mine: nothing to confirm: no trial is complete that differs from the"):
        confirming(SPACE, [{"attention": "none", "recipe.lr": 0.1}], 1, "search+mine")
