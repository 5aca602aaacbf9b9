"""What needs a GPU; one is enough, without one all is skipped: `python -m pytest -n 8 --dist load tests/gpu`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Skip this folder's tests where there is no GPU."""
    if not torch.cuda.is_available():
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session", autouse=True)
def as_a_rank_does():
    """Ask cuBLAS for deterministic products, before CUDA is there; several processes share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        yield
    torch.set_num_threads(threads)
