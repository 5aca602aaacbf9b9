"""What every study of the catalogue owes its reader; a new study inherits these tests by being there."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from lightning_bam.config import CIFAR100, Recipe, ResNet50
from lightning_bam.cost import count
from studies.error import StudyError
from studies.load import catalogue, find_space, find_study, spaces

STUDIES = catalogue()


def test_the_catalogue():
    assert set(STUDIES) >= {"quickstart", "reduction", "dilation", "combine", "branches", "placement", "norm"}


@pytest.mark.parametrize("name", STUDIES)
class TestStudy:
    def test_its_file_opens_with_its_plan(self, name):
        module = import_module(f"studies.catalogue.{name.replace('-', '_')}")
        words = re.findall(r"^(Question:|\w+)\s", module.__doc__, flags=re.M)
        assert words[0] == "Question:"
        assert {"scientific", "nuisance", "fixed", "command", "cost", "n", "result"} <= set(words)
        assert f"bam {'quickstart' if name == 'quickstart' else f'run {name}'}" in module.__doc__

    def test_its_baseline_has_no_attention(self, name):
        study = STUDIES[name]
        assert study.name == name
        assert study.question.endswith("?")
        assert study.rows[study.baseline].attention is None
        assert len(study.seed_list) >= 3

    def test_every_row_can_be_built_at_every_preset(self, name):
        study = STUDIES[name]
        for scale in (study, *(study.at(preset) for preset in study.presets)):
            costs = {row: count(run) for row, run in scale.rows.items()}
            baseline = costs.pop(scale.baseline)
            assert all(c.params > baseline.params and c.macs > baseline.macs for c in costs.values())

    def test_at_the_papers_scale_it_is_the_papers(self, name):
        study = STUDIES[name]
        if "paper" not in study.presets:
            pytest.skip("has no paper scale")
        assert study.at("paper") is study
        for run in study.rows.values():
            assert (run.dataset, run.backbone, run.recipe) == (CIFAR100(), ResNet50(stride_on="1x1"), Recipe())
        assert study.at("small").published == {}


def test_published_figures_are_the_papers():
    assert STUDIES["reduction"].published == {"none": 21.49, "r=4": 20.46, "r=8": 20.56, "r=16": 20.0, "r=32": 21.24}
    assert STUDIES["dilation"].published == {"none": 21.49, "d=1": 20.47, "d=2": 20.28, "d=4": 20.0, "d=6": 20.08}
    assert STUDIES["combine"].published == {"none": 21.49, "sum": 20.0, "product": 20.21, "max": 20.28}
    assert STUDIES["branches"].published == {"none": 21.49, "channel": 21.29, "spatial": 21.24, "both": 20.0}
    assert STUDIES["placement"].published == {"none": 21.49, "bottlenecks": 20.0, "every block": 20.88}
    assert STUDIES["norm"].published == {}


def test_catalogue_studies_share_their_baseline():
    keys = {study.rows["none"].key for study in STUDIES.values() if "paper" in study.presets}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reducton", "study 'reducton': no such study; did you mean 'reduction'? (or give a path to a .py file)"),
        ("no.py", "no.py: no such file"),
    ],
)
def test_no_such_study(name, message):
    with pytest.raises(StudyError) as error:
        find_study(name)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no STUDY"),
        ("STUDY = 3\n", "STUDY is int, must be a studies.Study"),
        ("a = 1\nb = a / 0\n", ", line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", ", line 1: SyntaxError: "),
        (
            "from lightning_bam import BAMSpec\nBAMSpec(reduction=0)\n",
            ", line 2: BAMSpec.reduction=0: input should be greater than or equal to 1",
        ),
        ("from lightning_bam import BAMSpec\nBAMSpec(redction=4)\n", ", line 2: BAMSpec.redction"),
    ],
)
def test_a_file_with_a_mistake_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(StudyError) as error:
        find_study(str(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_spaces_can_be_searched_at_every_preset():
    for space in spaces().values():
        for scale in (space, *(space.at(preset) for preset in space.presets)):
            for name, values in scale.choices.items():
                for value in values:
                    run = scale.run({name: value})
                    assert run.score_on == "held_out"
                    count(run)


def test_no_such_space(tmp_path):
    with pytest.raises(StudyError, match=r"space 'bum': no such space; did you mean 'bam'\?"):
        find_space("bum")
    path = tmp_path / "mine.py"
    path.write_text("SPACE = None\n")
    with pytest.raises(StudyError, match="SPACE is NoneType, must be a studies.Space"):
        find_space(str(path))
