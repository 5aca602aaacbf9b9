"""The server that runs are forked from."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from studies.workers.forkserver import TRACKED


@pytest.mark.parametrize("name", TRACKED)
def test_what_is_loaded_before_a_tracked_run_is_there(name):
    """multiprocessing passes over a module that it cannot import, and each run would load it itself."""
    assert find_spec(name) is not None
