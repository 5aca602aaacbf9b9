"""Filters find exactly a study's runs, whatever its label has in it."""

from __future__ import annotations

import pytest

from analysis.review.runs import column, knob, of_study, quoted, title, trained
from studies.tracking.description import study_tag

LABELS = ("reduction", "reduction+small", "é-1+recipe.lr=0.1", "a+x='\"\\<>=>=]) or", "b+WithinLast(Tags(), 5, 'days')")


@pytest.mark.parametrize("label", LABELS)
def test_a_filter_is_read_as_it_was_meant(label):
    expr = pytest.importorskip("wandb_workspaces.expr", reason="wandb-workspaces is not installed")
    found = expr.expr_to_filters(of_study(label))
    assert (found.key.section, found.key.name, found.op, found.value) == ("run", "tags", "IN", [study_tag(label)])
    tag, job_type = expr.expr_to_filters(trained(label)).filters
    assert (tag.value, job_type.key.name, job_type.op, job_type.value) == (found.value, "jobType", "!=", "analysis")


def test_a_string_is_python_s_of_plain_signs():
    assert quoted("study:a+b") == '"study:a\\U0000002bb"'
    assert {eval(quoted(label)) == label for label in LABELS} == {True}


def test_a_name_has_no_signs_that_a_view_refuses():
    assert title("Study reduction+small+recipe.lr=0.1") == "Study reduction small recipe.lr 0.1"
    assert title("a/b?c#d~e") == "a b c d e"
    long = "Study " + "é" * 80
    assert title(long) == f"Study {'é' * 52} ffff17fc"


@pytest.mark.parametrize(
    ("name", "path", "accessor"),
    [
        ("attention.reduction", "attention.reduction", "config:attention.value.reduction"),
        ("attention", "attention.kind", "config:attention.value.kind"),
        ("seed", "seed", "config:seed.value"),
    ],
)
def test_a_knob_is_found_where_the_config_has_it(name, path, accessor):
    assert (knob(name), column(name)) == (path, accessor)
