"""The two made-up studies, gathered once."""

from __future__ import annotations

import pytest

from tests.analysis.plots import pictured


@pytest.fixture(scope="package")
def small(tmp_path_factory):
    """Return study, records and table of the small one."""
    return pictured.small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="package")
def big(tmp_path_factory):
    """Return those of the big one."""
    return pictured.big(tmp_path_factory.mktemp("big"))
