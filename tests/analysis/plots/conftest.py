"""The two made-up studies, gathered once."""

from __future__ import annotations

import pytest

from tests.analysis.plots import sample_studies


@pytest.fixture(scope="package")
def small(tmp_path_factory):
    """Return study, records and table of the small one."""
    return sample_studies.small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="package")
def big(tmp_path_factory):
    """Return those of the big one."""
    return sample_studies.big(tmp_path_factory.mktemp("big"))
