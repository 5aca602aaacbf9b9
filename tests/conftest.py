"""What every test shares: a cache of its own, empty at the start of the session."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Keep counts between the tests of a session, and away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
