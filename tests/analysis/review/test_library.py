"""The package is optional, and only loaded where it is wanted."""

from __future__ import annotations

import sys

import pytest

from analysis.review.library import library
from studies.errors import StudyError


def test_without_the_package_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(StudyError) as told:
        library()
    assert str(told.value) == (
        "a saved view in W&B wants the package wandb-workspaces: pip install 'lightning-bam[workspaces]'"
    )
