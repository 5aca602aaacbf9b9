"""What every test shares: a cache of its own, empty at the start of the session."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Keep counts between the tests of a session, and away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # what one process counts, the other finds
        patch.setenv("BAM_CACHE", str(shared / "counts"))
        yield
