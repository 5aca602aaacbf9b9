"""Spaces: what is asked where, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightning_bam.config import BAMSpec, ConfigError, flatten
from studies import Space, StudyError
from studies.search.choices import Integer, Real, ends
from tests.studies.conftest import BASE
from tests.studies.search.surrogate import SPACE


def space(**changes):
    fields = {
        "name": "tiny",
        "question": "Which BAM?",
        "base": replace(BASE, attention=BAMSpec(reduction=4, dilation=1)),
        "choices": {"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max")},
    }
    return Space(**fields | changes)


def every(searched):
    """Return every configuration, by walking through every answer to every question."""
    found, todo = [], [[]]
    while todo:
        given = todo.pop()
        asked = []

        def choose(name, choice, given=given, asked=asked):
            asked.append(choice)
            if len(asked) <= len(given):
                return given[len(asked) - 1]
            raise LookupError

        try:
            found.append(searched.draw(choose))
        except LookupError:
            todo += [[*given, value] for value in values_of(asked[-1])]
    return found


def values_of(choice):
    return range(choice.low, choice.high + 1, choice.step) if isinstance(choice, Integer) else ends(choice)


WIDE = {
    "attention.kernel_size": ("3", "7"),
    "attention.dilation": ("1", "2", "4"),
    "placement.stages": ("1", "1,2"),
    "placement": ("after_stages", "every_block"),
    "attention.combine": ("sum", "product", "max"),
    "attention.dilated_convs": Integer(0, 2),
    "attention": ("none", "bam", "cbam", "extra_block"),
    "attention.branches": ("both", "channel", "spatial"),
}
"""Conditions in conditions, declared in the worst order."""


def test_a_knob_is_asked_for_only_where_it_plays_a_part():
    found = every(space(choices=WIDE))
    keys = set()
    for values in found:
        flat = flatten(space(choices=WIDE).configuration(values))
        assert set(values) == set(WIDE) & set(flat), "all that plays a part, and nothing else"
        for name, value in values.items():
            assert str(flat[name]) == str(value)
        keys.add(space(choices=WIDE).run(values).key)
    # BAM: 3 (channel) or 1 + 2 x 3 (spatial: no dilated conv, or 1 to 2 of 3 dilations), x 3 combinations for both
    bam = 1 + (1 + 2 * 3) * (1 + 3)
    assert len(found) == len(keys) == 1 + (bam + 2 + 1) * 3 == space(choices=WIDE).size
    assert {"attention": "none"} in found


def test_what_decides_is_asked_first():
    order = space(choices=WIDE).order
    for first, then in (
        ("attention", "attention.branches"),
        ("attention", "placement"),
        ("placement", "placement.stages"),
        ("attention.branches", "attention.combine"),
        ("attention.branches", "attention.dilated_convs"),
        ("attention.dilated_convs", "attention.dilation"),
    ):
        assert order.index(first) < order.index(then)


def test_the_catalogue_s_space_has_as_many_structures_as_can_be_counted_by_hand():
    structure = {name: choice for name, choice in SPACE.choices.items() if not isinstance(choice, Real)}
    # reduction x norm, x (dilation x combine | nothing | dilation), x (every block, or after 4 sets of stages)
    assert replace(SPACE, choices=structure).size == 4 * 4 * (4 * 3 + 1 + 4) * 5
    assert SPACE.size is None
    stepped = structure | {"recipe.lr": Real(0.1, 0.3, step=0.1)}
    assert replace(SPACE, choices=stepped).size == 1360 * 3


def test_corners_try_every_value_where_it_plays_a_part():
    corners = space(choices=WIDE | {"recipe.lr": Real(0.01, 0.3, log=True)}).corners()
    assert {flatten(run)["recipe.lr"] for run in corners.values()} == {0.01, 0.3}
    narrow = space(choices={"attention": ("bam", "cbam"), "attention.reduction": ("2", "4")}).corners()
    assert {run.attention.reduction for run in narrow.values()} == {2, 4}, (
        "never a module's own default outside the space"
    )
    assert any(
        run.attention and run.attention.kind == "cbam" and run.attention.kernel_size == 3 for run in corners.values()
    )
    assert all(label == "" or "=" in label for label in corners)
    assert {run.score_on for run in corners.values()} == {"held_out"}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"attention.reduction": ("4",)}, r"tiny: attention.reduction has \['4'\]: give at least two values"),
        (
            {"attention.reduction": "48"},
            r"tiny: choices.attention.reduction='48': give a tuple of texts, as",
        ),
        ({"attention.kernel_size": ("3", "7")}, "attention.kernel_size: no such knob"),
        (
            {"attention.reduction": (2, 4)},
            r'tiny: choices.attention.reduction=\(2, 4\): give a tuple of texts, as \("2", "4"\), Integer',
        ),
        ({"attention.reduction": Integer(2, 5, step=4)}, r"attention.reduction has \[2, 2\]: give at least two values"),
        ({"seed": Integer(0, 9)}, "tiny: seed is the search's own to choose"),
        (
            {"placement": ("every_block", "every_block")},
            r"placement has \['every_block', 'every_block'\]: give at least two values",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(choices, message):
    with pytest.raises((StudyError, ConfigError), match=message):
        space(choices=choices)


def test_a_knob_without_a_part_is_refused():
    channel = replace(BASE, attention=BAMSpec(reduction=4, branches="channel"))
    with pytest.raises(StudyError, match="tiny: attention.dilation plays no part in any run of this space"):
        space(base=channel, choices={"attention.dilation": ("1", "2")})


def test_values_are_checked():
    with pytest.raises(ConfigError, match=r"attention.combine='mean': input should be 'sum', 'product' or 'max'"):
        space(choices={"attention.combine": ("sum", "mean")})
    with pytest.raises(ConfigError, match="attention.reduction"):
        space(choices={"attention.reduction": Integer(0, 4)})
    for wrong, message in (
        (lambda: Integer(4, 4), "low must be below high"),
        (lambda: Integer(0, 4, log=True), "a log scale begins above 0"),
        (lambda: Integer(1, 4, step=2, log=True), "a step is at least 1, and on a log scale exactly 1"),
        (
            lambda: Real(0.0, 1.0, log=True),
            r"Real\(low=0.0, high=1.0, log=True, step=None\): a log scale begins above 0",
        ),
        (lambda: Real(0.1, 1.0, step=0.1, log=True), "a step is above 0, and a log scale has none"),
    ):
        with pytest.raises(StudyError, match=message):
            wrong()


def test_spaces_at_other_scales():
    with pytest.raises(StudyError, match="--set attention.combine: tiny searches over it or fixes it"):
        space().override({"attention.combine": "sum"})
    with pytest.raises(StudyError, match="tiny: no preset 'small'; it has none"):
        space().at("small")
    assert space().override({"recipe.epochs": "7"}).base.recipe.epochs == 7
    assert space().override({"recipe.epochs": "7"}).name == "tiny+recipe.epochs=7"
    assert space().size == 4
    assert space().label(space().base) == "reduction=4 combine=sum"
    assert space(choices={"recipe.lr": Real(0.01, 1.0, log=True)}).label(BASE) == "lr=0.1"
