"""A real Slurm cluster of two nodes on loopback, started once for the tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.studies.cluster.slurm import cluster
from tests.studies.conftest import postgres

__all__ = ["postgres", "slurm"]


@pytest.fixture(scope="session")
def slurm():
    """Start a cluster of two nodes with one core each, and stop it in the end."""
    lacks = cluster.missing()
    if lacks:
        pytest.skip(f"no Slurm cluster can be started here: {'; '.join(lacks)}")
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # short: munged's socket lies in it
    try:
        cluster.start(folder, nodes=2, cpus=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            yield folder
    finally:
        cluster.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
